"""The command line's language: a verb and its arguments, checked against the frame before anything is sent.

parse() gives a preview and what to run, or a CommandError that says what is wrong, where, and what would
work. complete() gives the words that may come next. Pure: the market is only read, through the frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from desk.actions import CANNOT_GO_BACK, NO_SYMBOLS, Actions
from desk.clock import Clock, clock_of, time_of_day_ns
from desk.formats import UNKNOWN, clean, decimal_text, units_of
from desk.gate_limits import LIMITS
from desk.layout import PANELS
from desk.sessions import SessionChoice
from desk.theme import THEMES
from desk.view import DURATION_RANGE_S
from engine.core.clock import NS_PER_S
from engine.core.durations import parse_duration_ns
from engine.core.errors import UsageError
from engine.core.types import ALL_ACCOUNTS, Account, FaultKind, GateAction, Side, StormKind
from engine.feeds.source import sample_path
from engine.frame import Frame, LevelView
from engine.scenarios.loader import list_scenarios
from engine.storms.catalogue import entry_of
from engine.storms.request import ChaosKind

__all__ = ["VERBS", "CommandError", "Parsed", "complete", "parse"]

STORM_WORDS: dict[str, ChaosKind] = {entry_of(kind).name: kind for kind in (*StormKind, *FaultKind)}
MAX_QTY_LOTS = 10**15


class CommandError(UsageError):
    """A line that cannot be run. `start` and `end` delimit the word that is wrong."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start = start
        self.end = end


@dataclass(frozen=True, slots=True)
class Parsed:
    """A line that can be run."""

    preview: str
    run: Callable[[Actions], None]


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the line and where it stands."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Line:
    """A verb's arguments, with what is needed to say where something is wrong."""

    verb: str
    words: tuple[Word, ...]
    length: int
    frame: Frame

    def word(self, index: int, what: str) -> Word:
        """Argument `index`, or an error saying that `what` is missing."""
        if index >= len(self.words):
            usage = VERBS[self.verb].usage
            raise CommandError(f"{what} is missing; usage: {usage}", self.length, self.length + 1)
        return self.words[index]

    def at_most(self, count: int) -> None:
        """Refuse more arguments than the verb takes."""
        if len(self.words) > count:
            extra = self.words[count]
            raise wrong(extra, f"{extra.text!r} is one word too many; usage: {VERBS[self.verb].usage}")


@dataclass(frozen=True, slots=True)
class Verb:
    """One command."""

    usage: str
    help: str
    parse: Callable[[Line], Parsed]
    choices: tuple[tuple[str, ...], ...] = ()
    """Words to complete with, by argument."""


def wrong(word: Word, message: str) -> CommandError:
    """An error at this word."""
    return CommandError(message, word.start, word.end)


def parse(text: str, frame: Frame) -> Parsed | None:
    """What this line would do; None for an empty line. Raises CommandError."""
    words = [Word(match.group(), match.start()) for match in re.finditer(r"\S+", text)]
    if not words:
        return None
    verb = words[0].text.lower()
    if verb not in VERBS:
        near = [name for name in VERBS if name.startswith(verb[:1])]
        raise wrong(words[0], f"{verb!r} is no command; {' '.join(near or VERBS)}")
    return VERBS[verb].parse(Line(verb, tuple(words[1:]), len(text), frame))


def complete(text: str) -> list[str]:
    """Whole lines that this line could become, best first."""
    words = text.split()
    if not words or (len(words) == 1 and not text.endswith(" ")):
        stem = words[0].lower() if words else ""
        return [name + (" " if VERBS[name].choices else "") for name in VERBS if name.startswith(stem)]
    verb = VERBS.get(words[0].lower())
    index = len(words) - (1 if text.endswith(" ") else 2)
    if verb is None or index >= len(verb.choices):
        return []
    stem = "" if text.endswith(" ") else words[-1].lower()
    head = text[: len(text) - len(stem)] if stem else text
    return [head + choice for choice in verb.choices[index] if choice.startswith(stem) and choice != stem]


# -- verbs -------------------------------------------------------------------------------------


def _storm(line: Line) -> Parsed:
    kind = _storm_kind(line.word(0, "the storm"))
    line.at_most(3)
    severity, duration_s = 0.6, 20.0
    if len(line.words) > 1:
        word = line.words[1]
        severity = float(_number(word))
        if not 0 <= severity <= 1:
            raise wrong(word, f"severity {word.text} lies outside 0 to 1")
    if len(line.words) > 2:
        word = line.words[2]
        duration_s = _duration_ns(word) / NS_PER_S
        low, high = DURATION_RANGE_S
        if not low <= duration_s <= high:
            raise wrong(word, f"a storm lasts {low} s to {high} s, not {word.text}")
    return Parsed(
        f"fires {entry_of(kind).short} at severity {severity:.2f} for {duration_s:g} s: "
        f"{entry_of(kind).effect}",
        lambda actions: actions.start_storm(kind, severity, duration_s),
    )


def _stop(line: Line) -> Parsed:
    line.at_most(1)
    kind = _storm_kind(line.words[0]) if line.words else None
    return Parsed(
        "stops all storms and faults" if kind is None else f"stops {entry_of(kind).short}",
        lambda actions: actions.stop_storm(kind),
    )


def _speed(line: Line) -> Parsed:
    word = line.word(0, "a speed")
    line.at_most(1)
    if word.text.lower() == "max":
        return Parsed("as fast as possible", lambda actions: actions.set_speed(None))
    speed = float(_number(Word(word.text.lstrip("x×"), word.start)))
    if not 0.1 <= speed <= 1000:
        raise wrong(word, f"speed {word.text} lies outside 0.1 to 1000; or: speed max")
    return Parsed(f"{speed:g} session seconds a second", lambda actions: actions.set_speed(speed))


def _order(side: Side) -> Callable[[Line], Parsed]:
    def parse_order(line: Line) -> Parsed:
        instrument = line.frame.market.instrument
        qty_lots = _steps(line.word(0, "a quantity"), instrument.lot_size, "lots of")
        line.at_most(2)
        price_ticks = _steps(line.words[1], instrument.tick_size, "ticks of") if len(line.words) > 1 else 0
        said = _said(line.frame, side, qty_lots, price_ticks)
        preview = f"{said} · {_outlook(line.frame, side, qty_lots, price_ticks)}"
        return Parsed(preview, lambda actions: actions.submit(side, price_ticks, qty_lots, said))

    return parse_order


def _cancel(line: Line) -> Parsed:
    line.at_most(1)
    if not line.words or line.words[0].text.lower() == "all":
        return Parsed("cancels all orders of the desk", lambda actions: actions.cancel(None))
    word = line.words[0]
    if not word.text.lstrip("#").isdigit():
        raise wrong(
            word, f"{word.text!r} is no order number; cancel all, or the number shown when it was sent"
        )
    number = int(word.text.lstrip("#"))
    return Parsed(f"cancels order #{number}", lambda actions: actions.cancel(number))


def _gate(action: GateAction, preview: str, said: str) -> Callable[[Line], Parsed]:
    """A switch of the risk gate; which account has to be typed out."""

    def parse_gate(line: Line) -> Parsed:
        if line.frame.host.mode == "replay":
            raise CommandError("in a replay nobody can be held back: it has happened", 0, len(line.verb))
        account, name = _gated(line)
        line.at_most(1)
        return Parsed(
            preview.format(name), lambda actions: actions.throw_gate(action, account, said.format(name))
        )

    return parse_gate


def _gated(line: Line) -> tuple[int, str]:
    """The account that the first word names: of desk, target, or a bot at the gate."""
    known = dict(_GATED)
    for gate in line.frame.market.gates:
        if gate.account not in known.values():
            known.setdefault(gate.name.lower(), gate.account)
    word = line.word(0, f"whom ({', '.join(known)})")
    name = word.text.lower()
    if name not in known:
        raise wrong(word, f"{word.text!r} is nobody; {' '.join(known)}")
    return known[name], name


def _limit(line: Line) -> Parsed:
    if line.frame.host.mode == "replay":
        raise CommandError("in a replay nobody can be limited: it has happened", 0, len(line.verb))
    account, name = _gated(line)
    which = line.word(1, "which limit (tab shows them)")
    form = LIMITS.get(which.text.lower()) or LIMITS.get(f"max_{which.text.lower()}")
    if form is None:
        raise wrong(which, f"{which.text!r} is no limit; {' '.join(LIMITS)}")
    word = line.word(2, f"a value, or {'on or off' if form.unit == 'switch' else 'off'}")
    line.at_most(3)
    try:
        value = form.counted(word.text, line.frame.market.instrument)
    except UsageError as error:
        raise wrong(word, str(error)) from None
    said = f"{which.text.lower()} of {name}: {word.text.lower()}"
    return Parsed(
        f"{form.help}; {said}",
        lambda actions: actions.throw_gate(
            GateAction.LIMIT, account, f"limit {said}", limit=form.field, value=value
        ),
    )


def _mark(line: Line) -> Parsed:
    label = " ".join(word.text for word in line.words)[:40] or "mark"
    return Parsed(f"marks this moment “{label}”", lambda actions: actions.add_marker(label))


def _goto(line: Line) -> Parsed:
    word = line.word(0, "a time")
    line.at_most(1)
    host, market = line.frame.host, line.frame.market
    clock = clock_of(market)
    target = max(0, _target_ns(word, market.time_ns, clock))
    if host.end_ns is not None and target > host.end_ns:
        first, last = clock.full_text(0), clock.full_text(host.end_ns)
        raise wrong(word, f"the {_what(line.frame)} goes from {first} to {last}")
    if host.mode == "replay":
        return Parsed(f"goes to {clock.full_text(target)}", lambda actions: actions.goto(target))
    if host.state in ("ended", "failed"):
        raise wrong(word, f"this session has {host.state}; f starts another")
    if target <= market.time_ns:
        raise wrong(word, f"it is {clock.text(market.time_ns)}: {CANNOT_GO_BACK}")
    return Parsed(f"runs to {clock.full_text(target)} at full speed", lambda actions: actions.goto(target))


def _target_ns(word: Word, now_ns: int, clock: Clock) -> int:
    """Session time of `10:30:05.250` on the clock, of `90s`, or of `+5m` from now."""
    if ":" in word.text:
        time_of_day = time_of_day_ns(word.text)
        if time_of_day is None:
            raise wrong(word, f"{word.text!r} is no time of day; 10:30, 10:30:05 or 10:30:05.250 would be")
        return clock.session_ns(time_of_day)
    sign = word.text[0] if word.text[0] in "+-" else ""
    span_ns = _duration_ns(Word(word.text[len(sign) :], word.start + len(sign)))
    return span_ns if not sign else now_ns + span_ns if sign == "+" else now_ns - span_ns


def _what(frame: Frame) -> str:
    if frame.host.mode == "replay":
        return "run"
    return "session" if frame.market.feed is None else "recorded day"


def _source(line: Line) -> Parsed:
    _only_live(line)
    if not line.words:
        return Parsed("opens the list of sources", Actions.source)
    line.at_most(2)
    name = line.words[0].text
    symbol = line.words[1].text.upper() if len(line.words) > 1 else None
    if name in list_scenarios():
        line.at_most(1)
        choice = SessionChoice(scenario=name)
    else:
        path = sample_path() if name == "sample" else Path(name).expanduser()
        if not path.is_file():
            known = " ".join(list_scenarios())
            raise wrong(line.words[0], f"no data file {name!r}; a file, sample, or one of {known}")
        choice = SessionChoice(source=str(path.absolute()), symbol=symbol)
    return Parsed(f"starts a session with {clean(choice.label)}", lambda actions: actions.start(choice))


def _symbol(line: Line) -> Parsed:
    _only_live(line)
    line.at_most(1)
    feed = line.frame.market.feed
    if feed is None:
        raise CommandError(NO_SYMBOLS, 0, len(line.verb))
    if not line.words:
        return Parsed("opens the list of symbols", Actions.symbol)
    word = line.words[0]
    wanted = word.text.upper()
    if not any(one.symbol == wanted for one in feed.symbols):
        near = [one.symbol for one in feed.symbols if one.symbol.startswith(wanted[:1])][:6]
        others = " ".join(near) or "symbol alone lists them"
        raise wrong(word, f"{clean(feed.name)} has no {wanted}; {others}")
    if wanted == line.frame.market.instrument.symbol:
        raise wrong(word, f"{wanted} is on the desk already")
    return Parsed(
        f"goes on with {wanted} at the same time of day", lambda actions: actions.take_symbol(wanted)
    )


def _only_live(line: Line) -> None:
    if line.frame.host.mode == "replay":
        raise CommandError("a replay plays its own source; q, then start a session", 0, len(line.verb))


def _step(line: Line) -> Parsed:
    line.at_most(1)
    ns = _duration_ns(line.words[0]) if line.words else NS_PER_S // 10
    return Parsed(f"steps {ns / 1e6:g} ms (while paused)", lambda actions: actions.step_by(ns))


def _theme(line: Line) -> Parsed:
    word = line.word(0, "a theme")
    line.at_most(1)
    name = word.text.lower()
    if name not in THEMES:
        raise wrong(word, f"{word.text!r} is no theme; {' '.join(THEMES)}")
    return Parsed(f"colours: {name}", lambda actions: actions.set_theme(name))


def _panel(line: Line) -> Parsed:
    word = line.word(0, "a panel")
    line.at_most(1)
    name = word.text.lower()
    if name not in PANELS:
        raise wrong(word, f"{word.text!r} is no panel; {' '.join(PANELS)}")
    return Parsed(f"focuses {name}", lambda actions: actions.focus_panel(name))


def _tick(line: Line) -> Parsed:
    word = line.word(0, "a number of ticks")
    line.at_most(1)
    if not word.text.isdigit() or not 1 <= int(word.text) <= 10**6:
        raise wrong(word, f"{word.text!r} is no number of ticks; 1 to 1000000")
    ticks = int(word.text)
    return Parsed(f"{ticks} ticks a ladder row", lambda actions: actions.group_ticks(ticks))


def _venue(line: Line) -> Parsed:
    line.at_most(0)
    url = line.frame.host.api_url
    said = "no address is open (yet)" if url is None else f"bots connect to {url}; enter shows every address"
    return Parsed(said, Actions.venue)


def _plain(preview: str, run: Callable[[Actions], None]) -> Callable[[Line], Parsed]:
    def parse_plain(line: Line) -> Parsed:
        line.at_most(0)
        return Parsed(preview, run)

    return parse_plain


_GATED = {
    "everybody": ALL_ACCOUNTS,
    "desk": int(Account.DESK),
    "target": int(Account.TARGET),
}
"""Whom the gate's switches are thrown for: everybody is desk, target, bots and storms."""
_SEVERITIES = ("0.2", "0.4", "0.6", "0.8", "1.0")
VERBS: dict[str, Verb] = {
    "storm": Verb(
        "storm KIND [SEVERITY [DURATION]]", "fires a storm, or a fault of the venue", _storm,
        (tuple(STORM_WORDS), _SEVERITIES, ("10s", "20s", "30s", "60s")),
    ),
    "stop": Verb("stop [KIND]", "stops storms and faults", _stop, (tuple(STORM_WORDS),)),
    "speed": Verb("speed X|max", "sets the pace", _speed, (("max", "0.5", "1", "2", "4", "8", "16", "100"),)),
    "pause": Verb("pause", "pauses or plays", _plain("pauses or plays", Actions.pause)),
    "step": Verb("step [DURATION]", "steps while paused", _step, (("100ms", "1s"),)),
    "record": Verb("record", "starts or stops recording", _plain("starts or stops a run", Actions.record)),
    "buy": Verb("buy QTY [PRICE]", "sends an order of the desk", _order(Side.BID)),
    "sell": Verb("sell QTY [PRICE]", "sends an order of the desk", _order(Side.ASK)),
    "cancel": Verb("cancel [NUMBER|all]", "cancels the desk's orders", _cancel, (("all",),)),
    "kill": Verb(
        "kill everybody|desk|target|BOT", "cancels all orders and lets nothing pass until `reset`",
        _gate(
            GateAction.KILL,
            "cancels all orders of {}, and nothing of theirs passes the gate until reset",
            "kill switch on: {}",
        ),
        (tuple(_GATED),),
    ),
    "reset": Verb(
        "reset everybody|desk|target|BOT", "lets who is latched at the gate trade again",
        _gate(GateAction.RESET, "lets {} trade again", "gate reset: {}"), (tuple(_GATED),),
    ),
    "day": Verb(
        "day everybody|desk|target|BOT", "starts the gate's day: no loss, no orders, full bucket",
        _gate(GateAction.START_OF_DAY, "the gate's day of {} begins now", "the gate's day begins: {}"),
        (tuple(_GATED),),
    ),
    "limit": Verb(
        "limit ACCOUNT LIMIT VALUE|off", "sets a limit of the gate, from now on", _limit,
        (tuple(_GATED), tuple(LIMITS), ("off",)),
    ),
    "mark": Verb("mark TEXT", "marks this moment", _mark),
    "goto": Verb("goto 10:30[:05]|90s|+5m|-5m", "goes to a time", _goto),
    "source": Verb(
        "source [FILE [SYMBOL]]", "starts a session with a file or scenario", _source,
        (("sample", *list_scenarios()),),
    ),
    "symbol": Verb("symbol [NAME]", "goes on with another symbol of the source", _symbol),
    "ack": Verb("ack", "acknowledges alerts", _plain("acknowledges all alerts", Actions.acknowledge)),
    "panel": Verb("panel NAME", "focuses a panel", _panel, (PANELS,)),
    "tick": Verb("tick N", "ticks in one ladder row", _tick, (("1", "10", "100", "1000"),)),
    "venue": Verb("venue", "shows where bots connect, and a first bot", _venue),
    "api": Verb("api", "the same", _venue),
    "theme": Verb("theme NAME", "sets the colours", _theme, (tuple(THEMES),)),
    "help": Verb("help", "opens help", _plain("opens help", Actions.help)),
    "quit": Verb("quit", "ends the session", _plain("ends the session", Actions.quit)),
}  # fmt: skip
"""All commands, in the order of completion."""


# -- arguments ---------------------------------------------------------------------------------


def _storm_kind(word: Word) -> ChaosKind:
    name = word.text.lower().replace("-", "")
    if name not in STORM_WORDS:
        raise wrong(word, f"{word.text!r} is no storm; {' '.join(_near(name))}")
    return STORM_WORDS[name]


def _near(name: str) -> list[str]:
    """Storms; faults where one of them was meant."""
    is_fault = name.startswith("f")
    return [word for word in STORM_WORDS if word.startswith("fault.") == is_fault]


def _number(word: Word) -> Decimal:
    try:
        value = Decimal(word.text)
    except InvalidOperation:
        raise wrong(word, f"{word.text!r} is no number") from None
    if not value.is_finite():
        raise wrong(word, f"{word.text!r} is no number")
    return value


def _duration_ns(word: Word) -> int:
    try:
        return parse_duration_ns(word.text, bare_seconds=True)
    except ValueError as error:
        raise wrong(word, str(error)) from None


def _steps(word: Word, step: Decimal, what: str) -> int:
    """An exact multiple of the tick or lot size, as an integer."""
    value = _number(word)
    if value <= 0:
        raise wrong(word, f"{word.text} must be above zero")
    count = value / step
    if count != count.to_integral_value():
        below = decimal_text((count // 1) * step)
        raise wrong(word, f"{word.text} is not in {what} {decimal_text(step)}; {below} would be")
    if count > MAX_QTY_LOTS:
        raise wrong(word, f"{word.text} is too large")
    return int(count)


def _said(frame: Frame, side: Side, qty_lots: int, price_ticks: int) -> str:
    instrument = frame.market.instrument
    word = "BUY" if side == Side.BID else "SELL"
    qty = decimal_text(qty_lots * instrument.lot_size)
    where = f"@{units_of(instrument).price(price_ticks)}" if price_ticks else "at market"
    return f"{'limit' if price_ticks else 'market'} {word} {qty} {instrument.symbol} {where}"


def _outlook(frame: Frame, side: Side, qty_lots: int, price_ticks: int) -> str:
    """What the book of this frame says would come of the order."""
    market = frame.market
    instrument = market.instrument
    units = units_of(instrument)
    opposite = market.asks if side == Side.BID else market.bids
    filled, cost = _sweep(opposite, side, qty_lots, price_ticks)
    parts = []
    if filled:
        average = units.price_between(cost / filled)
        share = "all" if filled == qty_lots else units.qty(filled)
        parts.append(f"takes {share} at {average} on average")
    elif not price_ticks:
        parts.append("nothing to trade against")
    if price_ticks:
        value = Decimal(price_ticks) * instrument.tick_size * qty_lots * instrument.lot_size
        notional = f"{value:,.2f}".replace(",", " ")
        parts.append(f"notional {notional} {instrument.currency}")
        if filled < qty_lots:
            own = market.bids if side == Side.BID else market.asks
            ahead = next((level.qty_lots for level in own if level.price_ticks == price_ticks), 0)
            parts.append(f"{units.qty(ahead) if ahead else '0'} ahead in the queue")
    return " · ".join(parts) or UNKNOWN


def _sweep(levels: tuple[LevelView, ...], side: Side, qty_lots: int, price_ticks: int) -> tuple[int, int]:
    """Lots that would trade at once, and the sum of ticks x lots."""
    filled = cost = 0
    for level in levels:
        beyond = level.price_ticks > price_ticks if side == Side.BID else level.price_ticks < price_ticks
        if filled == qty_lots or (price_ticks and beyond):
            break
        lots = min(level.qty_lots, qty_lots - filled)
        filled += lots
        cost += lots * level.price_ticks
    return filled, cost
