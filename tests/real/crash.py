"""freqtrade in a flash crash: what the ledger says of it, and what it says of itself.

    python -m tests.real.crash [SEED ...]

For each seed: a desk whose target is the bot's REST server joined with its venue key, an unmodified
freqtrade that holds a position when the crash comes, and the recorded run verified afterwards. Prints a
table.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from tests.real.environments import Client, make_environment, python_of
from tests.real.freqtrade_bot import PASSWORD, FreqtradeBot, free_port
from tests.real.harness import Desk

__all__ = ["SLOWEST", "RunOutcome", "TimedDesk", "freqtrade_run", "main"]

SEEDS = (7, 8, 9)
CRASH = "crash@60s:0.9x20s"
LENGTH_S = 130
HOLD_S = 80
"""It buys before the crash and would sell after it, were it not for its stop."""
STAKE, STOPLOSS = 5_000, -0.008
END_PATIENCE_S = 60.0
SLOWEST = 4
"""On a busy machine session time passes more slowly than it should."""


class TimedDesk(Desk):
    """A desk that runs for a while and ends by itself, so that its run is whole."""

    @property
    def runs(self) -> bool:
        """Whether its time is not over yet."""
        return self._process is not None and self._process.poll() is None

    def wait_end(self, within_s: float) -> None:
        """Raises subprocess.TimeoutExpired."""
        assert self._process is not None
        self._process.wait(within_s)

    def summary(self) -> dict[str, Any]:
        """The recorded run's run.yaml."""
        (run,) = (self._folder / "runs").iterdir()
        return dict(yaml.safe_load((run / "run.yaml").read_text()))

    def events(self) -> list[dict[str, Any]]:
        """The recorded run's events.jsonl."""
        (run,) = (self._folder / "runs").iterdir()
        return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


class RunOutcome:
    """One run of freqtrade at a desk."""

    def __init__(self) -> None:
        self.summary: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.log = ""
        """What freqtrade said."""
        self.verified = ""
        """"ok", or why not."""
        self.trades: list[dict[str, Any]] = []
        """Closed trades as freqtrade last told them."""
        self.open_trades: list[dict[str, Any]] = []


def freqtrade_run(
    storms: tuple[str, ...],
    *,
    seed: int,
    length_s: float,
    hold_s: float,
    stake: float,
    stoploss: float = -0.03,
    is_driven: bool = False,
) -> RunOutcome:
    """A desk with these storms, and a freqtrade that trades there, until the desk's time is over.

    `is_driven`: it is told to enter whenever it has no trade; by itself it enters once a minute.
    """
    outcome = RunOutcome()
    port = free_port()
    os.environ["STORMDESK_FREQTRADE_PASSWORD"] = PASSWORD
    options = ("--seed", str(seed), "--for", f"{length_s:g}s", "--target", f"{target_at(port)},key=bot")
    for storm in storms:
        options += ("--storm", storm)
    program = python_of("freqtrade").with_name("freqtrade")
    with tempfile.TemporaryDirectory(prefix="stormdesk-real-") as folder:
        desk = TimedDesk(Path(folder), Client("freqtrade", scenario="btcusdt", desk_options=options))
        with desk:
            told = desk.settings()
            bot = FreqtradeBot(
                Path(folder) / "bot", program, url=told["url"], key=told["key"], secret=told["secret"],
                pair=f"{told['base']}/{told['quote']}", hold_s=hold_s, stake=stake, stoploss=stoploss,
                port=port,
            )  # fmt: skip
            with bot:
                end_s = time.monotonic() + SLOWEST * length_s + END_PATIENCE_S
                while desk.runs and time.monotonic() < end_s:
                    with contextlib.suppress(OSError, ValueError, KeyError):  # it answers when it can
                        outcome.trades = bot.get("trades?limit=100&order_by_id=false")["trades"]
                        outcome.open_trades = bot.get("status")
                        if is_driven and not outcome.open_trades:
                            bot.post("forceenter", {"pair": bot.pair, "ordertype": "limit"})
                    time.sleep(1)
            outcome.log = bot.log()
            desk.wait_end(END_PATIENCE_S)
        outcome.summary, outcome.events = desk.summary(), desk.events()
        verified = desk.verify()
        outcome.verified = "ok" if verified.ok else verified.detail
        if "Traceback" in desk.log():
            outcome.verified = f"the desk failed: {desk.log()[-200:]}"
    return outcome


def target_at(port: int) -> str:
    """The bot as --target."""
    return f"freqtrade+http://desk@127.0.0.1:{port}"


def main() -> int:
    """Prints the table; exit code 1 when a run does not verify."""
    seeds = [int(word) for word in sys.argv[1:]] or list(SEEDS)
    make_environment("freqtrade")
    print("| seed | verdict (ledger) | ledger Δ | self-report Δ | in the crash, ledger Δ | fills "
          "| round trips: ledger, self | exits | disagreements | verified |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    good = True
    for seed in seeds:
        outcome = freqtrade_run(
            (CRASH,), seed=seed, length_s=LENGTH_S, hold_s=HOLD_S, stake=STAKE, stoploss=STOPLOSS
        )
        (row,) = outcome.summary["targets"]
        ledger, said = row["ledger"], row["self_report"]
        currency = outcome.summary["target"]["currency"].lower()
        (fired,) = outcome.summary["storms_fired"]
        exits = ", ".join(str(trade["exit_reason"]) for trade in reversed(outcome.trades)) or "–"
        findings = "; ".join(
            f"{one['what']} said {one['said']:g} true {one['ledger']:g}" for one in row["disagreements"]
        )
        cells = [
            seed, row["verdict"], f"{ledger['delta']:.2f}", _said(said),
            _money(fired[f"target_pnl_delta_{currency}"]), ledger["fills"],
            f"{ledger['round_trips']}, {row['said']['total_trades']}", exits, findings or "none",
            outcome.verified,
        ]  # fmt: skip
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        good = good and outcome.verified == "ok"
    return 0 if good else 1


def _said(report: dict[str, Any]) -> str:
    if report["delta"] is not None:
        return f"{report['delta']:.2f}"
    if report["start_equity"] is None:
        return "none"
    return f"{report['last_equity'] - report['start_equity']:.2f} in its last answer, silent at the end"


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
