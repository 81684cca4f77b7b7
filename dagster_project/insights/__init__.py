"""Insights: findings of every organisation become events, and messages are enqueued for their changes."""
