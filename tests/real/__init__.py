"""Real, unmodified clients of exchanges against a real headless desk: see harness.py."""
