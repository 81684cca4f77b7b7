"""Delivery: daily digests into the ledger, and what is due out of it."""
