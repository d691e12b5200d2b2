"""The order API: how bots on this machine trade in the desk's market."""
