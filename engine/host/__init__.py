"""Hosts drive a session through wall time for its faces: live, headless and replay."""

from engine.host.live import LiveOptions, SessionHost
from engine.host.paced import PacedHost
from engine.host.replay import ReplayHost

__all__ = ["LiveOptions", "PacedHost", "ReplayHost", "SessionHost"]
