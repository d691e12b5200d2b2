"""The command line's language: a verb and its arguments, checked against the frame before anything is sent.

parse() gives a preview and what to run, or a CommandError that says what is wrong, where, and what would
work. complete() gives the words that may come next. Pure: the market is only read, through the frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from desk.actions import Actions
from desk.formats import UNKNOWN, decimal_text, time_text, units_of
from desk.layout import PANELS
from desk.theme import THEMES
from desk.view import DURATION_RANGE_S
from engine.core.clock import NS_PER_S
from engine.core.durations import parse_duration_ns
from engine.core.errors import UsageError
from engine.core.types import Side, StormKind
from engine.frame import Frame, LevelView

__all__ = ["VERBS", "CommandError", "Parsed", "complete", "parse"]

STORM_WORDS = {kind.name.lower(): kind for kind in StormKind}
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
        f"fires {kind.name} at severity {severity:.2f} for {duration_s:g} s",
        lambda actions: actions.start_storm(kind, severity, duration_s),
    )


def _stop(line: Line) -> Parsed:
    line.at_most(1)
    kind = _storm_kind(line.words[0]) if line.words else None
    return Parsed(
        "stops all storms" if kind is None else f"stops {kind.name}", lambda actions: actions.stop_storm(kind)
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


def _mark(line: Line) -> Parsed:
    label = " ".join(word.text for word in line.words)[:40] or "mark"
    return Parsed(f"marks this moment “{label}”", lambda actions: actions.add_marker(label))


def _seek(line: Line) -> Parsed:
    word = line.word(0, "a time")
    line.at_most(1)
    host = line.frame.host
    if host.mode != "replay":
        raise CommandError("a live session cannot seek; open a run with: stormdesk replay RUN", 0, 4)
    sign = word.text[0] if word.text[0] in "+-" else ""
    time_ns = _duration_ns(Word(word.text[len(sign) :], word.start + len(sign)))
    now = line.frame.market.time_ns
    target = time_ns if not sign else now + time_ns if sign == "+" else now - time_ns
    if host.end_ns is not None and target > host.end_ns:
        raise wrong(word, f"the run ends at {time_text(host.end_ns)}")
    return Parsed(f"goes to {time_text(max(0, target))}", lambda actions: actions.seek_to(max(0, target)))


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


def _api(line: Line) -> Parsed:
    line.at_most(0)
    url = line.frame.host.api_url
    said = "the order API is not open (yet)" if url is None else f"bots connect to {url}"
    return Parsed(said, lambda actions: actions.tell(said))


def _plain(preview: str, run: Callable[[Actions], None]) -> Callable[[Line], Parsed]:
    def parse_plain(line: Line) -> Parsed:
        line.at_most(0)
        return Parsed(preview, run)

    return parse_plain


_SEVERITIES = ("0.2", "0.4", "0.6", "0.8", "1.0")
VERBS: dict[str, Verb] = {
    "storm": Verb(
        "storm KIND [SEVERITY [DURATION]]", "fires a storm", _storm,
        (tuple(STORM_WORDS), _SEVERITIES, ("10s", "20s", "30s", "60s")),
    ),
    "stop": Verb("stop [KIND]", "stops storms", _stop, (tuple(STORM_WORDS),)),
    "speed": Verb("speed X|max", "sets the pace", _speed, (("max", "0.5", "1", "2", "4", "8", "16", "100"),)),
    "pause": Verb("pause", "pauses or plays", _plain("pauses or plays", Actions.pause)),
    "step": Verb("step [DURATION]", "steps while paused", _step, (("100ms", "1s"),)),
    "record": Verb("record", "starts or stops recording", _plain("starts or stops a run", Actions.record)),
    "buy": Verb("buy QTY [PRICE]", "sends an order of the desk", _order(Side.BID)),
    "sell": Verb("sell QTY [PRICE]", "sends an order of the desk", _order(Side.ASK)),
    "cancel": Verb("cancel [NUMBER|all]", "cancels the desk's orders", _cancel, (("all",),)),
    "mark": Verb("mark TEXT", "marks this moment", _mark),
    "seek": Verb("seek TIME|+TIME|-TIME", "goes to a time of a replay", _seek),
    "ack": Verb("ack", "acknowledges alerts", _plain("acknowledges all alerts", Actions.acknowledge)),
    "panel": Verb("panel NAME", "focuses a panel", _panel, (PANELS,)),
    "tick": Verb("tick N", "ticks in one ladder row", _tick, (("1", "10", "100", "1000"),)),
    "api": Verb("api", "says where bots connect", _api),
    "theme": Verb("theme NAME", "sets the colours", _theme, (tuple(THEMES),)),
    "help": Verb("help", "opens help", _plain("opens help", Actions.help)),
    "quit": Verb("quit", "ends the session", _plain("ends the session", Actions.quit)),
}  # fmt: skip
"""All commands, in the order of completion."""


# -- arguments ---------------------------------------------------------------------------------


def _storm_kind(word: Word) -> StormKind:
    name = word.text.lower().replace("-", "")
    if name not in STORM_WORDS:
        raise wrong(word, f"{word.text!r} is no storm; {' '.join(STORM_WORDS)}")
    return STORM_WORDS[name]


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
