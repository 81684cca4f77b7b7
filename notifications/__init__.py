"""Notifications: messages of neutral blocks, their formats, the channels, routing, and the ledger of deliveries."""
