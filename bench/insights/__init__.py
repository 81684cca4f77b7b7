"""Insights, measured: made businesses with known incidents, run day by day through the Hub, and judged."""
