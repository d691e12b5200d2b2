"""Runs: recorded, judged, listed, recomputed and verified.

Reading order: run_directory (files), rows and summary (their fields), recorder, verdict, recompute, verify.
"""
