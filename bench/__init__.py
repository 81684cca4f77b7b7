"""Measurements with bars: each module is run by itself and exits with 1 if a bar is missed."""
