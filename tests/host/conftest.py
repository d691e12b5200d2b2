from __future__ import annotations

import pytest


class Wall:
    """A wall clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000_000

    def read(self) -> int:
        return self.now_ns

    def pass_ms(self, ms: float) -> None:
        self.now_ns += int(ms * 1_000_000)


@pytest.fixture
def wall(monkeypatch) -> Wall:
    """The clock by which hosts pace."""
    wall = Wall()
    for module in ("paced", "live", "target_record"):
        monkeypatch.setattr(f"engine.host.{module}.monotonic_ns", wall.read)
    return wall
