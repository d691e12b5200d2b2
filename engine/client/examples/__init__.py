"""Small bots, each a whole program: read one, copy it, change it."""
