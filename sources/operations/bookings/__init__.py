"""Bookings: create, list, reschedule, and change their status; who may see and lock them."""
