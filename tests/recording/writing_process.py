"""Records without end into the directory of its first argument, until somebody kills it.

The second one is the engine's source hash, as the process that verifies has it.

Prints the number of inputs after each commit: those must be found in the journal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from engine.core.clock import NS_PER_MS
from engine.core.types import StormKind
from engine.journal import RunHeader
from tests.recording.fake_session import FakeHost


def main() -> None:
    header = RunHeader(
        engine_version="0.1.0",
        source_hash=sys.argv[2],
        scenario_name="tiny",
        scenario_toml="",
        seed=7,
        target="demo",
        thresholds={"damaged": -10.0, "killed": -100.0},
    )
    host = FakeHost()
    host.sample(1_000.0)
    host.record(Path(sys.argv[1]), header)
    while True:
        host.storm(StormKind(1 + host.session.input_count % 5), duration_s=5)
        host.sample(1_000.0 - host.session.input_count)
        host.run(170 * NS_PER_MS)
        print(len(host.inputs), flush=True)


if __name__ == "__main__":
    main()
