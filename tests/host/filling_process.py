"""A live host whose files may not grow: trades until its recording stops, then on; prints what happened.

    python -m tests.host.filling_process FOLDER

The limit is the process's own (RLIMIT_FSIZE, the signal ignored): a write beyond it fails as on a full disk,
on any system with such limits and for any user. What it prints, as JSON, is what `fill` returns.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.core.clock import NS_PER_S
from engine.core.types import Account, StormKind, TimeInForce
from engine.host import SessionHost
from tests.host.hosts import live

FILE_LIMIT_BYTES = 48 * 1024


def fill(host: SessionHost, make_room: Callable[[], None]) -> dict[str, Any]:
    """Record until it fails, go on, make room, record again; all that a test wants to know of it."""
    client_id = 0

    def trade() -> None:
        nonlocal client_id
        for _ in range(40):
            client_id += 1
            host.submit_order(Account.DESK, client_id % 2, 0, 1, TimeInForce.IOC, client_id)
        host.advance_to(host.session.now_ns + NS_PER_S // 4)

    host.start_recording()
    host.start_storm(StormKind.CANCEL, 0.2, 5)
    while (frame := host.frame()).host.recording is None or frame.host.recording.error is None:
        assert host.session.now_ns < 200 * NS_PER_S, "the disk is never full"
        trade()
    failed, failed_at = frame.host.recording, frame.market
    host.start_recording()
    for _ in range(12):
        trade()
    after = host.frame()
    refused = after.host.recording
    assert refused is not None
    make_room()
    host.start_recording()
    for _ in range(8):
        trade()
    host.stop_recording()
    trade()
    ended = host.frame()
    assert ended.host.recording is not None
    return {
        "failed": failed._asdict(),
        "refused": refused._asdict(),
        "trades_when_it_failed": failed_at.trade_count,
        "trades_after": after.market.trade_count,
        "reports": len(host.reports(Account.DESK, 0)),
        "orders": client_id,
        "state": after.host.state,
        "alerts": [(alert.severity, alert.text) for alert in after.market.alerts],
        "ended": ended.host.recording._asdict(),
    }


def main() -> None:
    """Fill under the limit, then without."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    host = live(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, hard))
    found = fill(host, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
