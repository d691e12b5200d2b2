"""Vocabulary shared by every room: types, errors, random streams, time, limits, statistics."""
