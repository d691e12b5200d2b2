"""One benchmark in a process of its own: `python -m tests.bench NAME [--quick]`.

Writes desk.bench's messages to stdout, one JSON object a line; whatever else is printed goes to stderr.
Without a name: the names of all benchmarks as one JSON array.
"""

from __future__ import annotations

import argparse
import os
import sys

import msgspec

from desk.bench import Outline, Row, Step
from tests.bench.catalogue import NAMES, load


def main() -> None:
    """Measures the benchmark named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=NAMES)
    parser.add_argument("--quick", action="store_true", help="small input: whether it works, not how fast")
    arguments = parser.parse_args()
    if arguments.name is None:
        sys.stdout.buffer.write(msgspec.json.encode(NAMES))
        return
    # Libraries may print, in C too: their descriptor 1 becomes stderr, the messages keep stdout.
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(message: Outline | Step | Row) -> None:
        messages.write(msgspec.json.encode(message) + b"\n")
        messages.flush()

    benchmark = load(arguments.name)
    say(Outline(benchmark.name, benchmark.work, benchmark.reference, tuple(map(str, benchmark.requires))))
    for row in benchmark.measure(arguments.quick, say):
        say(row)


if __name__ == "__main__":
    main()
