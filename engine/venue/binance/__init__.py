"""The venue as Binance Spot clients know it: REST, WS-API, user data; see engine/venue/__init__.py."""
