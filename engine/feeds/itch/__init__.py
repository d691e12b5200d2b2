"""ITCH 5.0: Nasdaq's full-depth feed, read and written."""
