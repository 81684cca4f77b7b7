"""Insights: rules that find what is unusual, the sentences that describe it, and the events that keep it."""
