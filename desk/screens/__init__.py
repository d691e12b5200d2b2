"""Screens: the desk (live and replay alike) and help."""
