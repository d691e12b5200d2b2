"""Feeds: real market data in its own format, turned into exact records and checked on the way.

`open_source` is the entry for a session, `inspect_file` for a look at any data file.
"""
