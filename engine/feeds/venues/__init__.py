"""Venues: what exchanges really send, one normaliser per venue, into the same four events."""
