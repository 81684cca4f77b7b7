"""Modelling: inputs from the marts to the functions of ml, and their outputs to schema ml."""
