"""Formats: a neutral message as HTML, plain text, Slack blocks or JSON."""
