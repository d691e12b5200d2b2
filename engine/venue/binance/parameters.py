"""Parameters of requests: what each may look like, and the check that a request keeps to it.

Place on the data path: first thing after the signature. The same `Parameter` records drive this check and
the OpenAPI description, so the description cannot lie. Invariant: what passes `check` is known, not empty,
matches its pattern, and a number among it fits 64 bits; handlers convert without looking again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from engine.venue.binance import errors
from engine.venue.binance.errors import RequestRefused

__all__ = ["Kind", "Parameter", "boolean", "check", "choice", "names_in", "whole"]

INT64_MAX = 2**63 - 1
MAX_SYMBOLS = 100
"""Symbols in one request."""


class Kind(Enum):
    """What a value looks like: the pattern, as Binance prints it, and the type for the description."""

    SYMBOL = ("^[A-Z0-9-_.]{1,20}$", "string")
    SYMBOLS = (r'^\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\]$', "string")
    LIST = (r'^(\[("[A-Z_0-9]{1,20}"(,"[A-Z_0-9]{1,20}"){0,}){0,1}\]|[A-Z_0-9]{1,20})$', "string")
    """One word, or a JSON array of words."""
    LONG = ("^[0-9]{1,20}$", "integer")
    SIGNED = ("^-?[0-9]{1,20}$", "integer")
    DECIMAL = (r"^([0-9]{1,20})(\.[0-9]{1,20})?$", "string")
    CLIENT_ID = (r"^[\.A-Z\:/a-z0-9_-]{1,36}$", "string")
    WORD = ("^[A-Za-z0-9_.:-]{1,64}$", "string")
    BOOLEAN = ("^(true|false|TRUE|FALSE|True|False)$", "boolean")
    SIGNATURE = ("^[A-Za-z0-9+/=]{1,4096}$", "string")

    def __init__(self, pattern: str, json_type: str) -> None:
        self.pattern = pattern
        self.json_type = json_type
        # Inside [] a dash between two classes is a plain dash to Binance; Python wants it escaped.
        self.match = re.compile(
            pattern.replace("0-9-_", r"0-9\-_").replace("$", r"\Z").replace("(", "(?:")
        ).match


class Parameter(NamedTuple):
    """One parameter of an endpoint."""

    name: str
    kind: Kind
    required: bool = False
    choices: tuple[str, ...] = ()
    wrong: tuple[int, str] | None = None
    """Code and text for a value that is none of `choices`; None: -1130."""
    default: str = ""
    """For the description only."""
    low: int = 0
    """Of a whole number."""
    high: int = INT64_MAX
    """Of a whole number; more is refused."""


class _Table(NamedTuple):
    """The parameters of an endpoint, to look up."""

    parameters: Sequence[Parameter]
    """Kept, so that no other sequence gets its id."""
    known: dict[str, Parameter]
    required: frozenset[str]

    @classmethod
    def of(cls, parameters: Sequence[Parameter]) -> _Table:
        """Made once for each endpoint."""
        required = frozenset(parameter.name for parameter in parameters if parameter.required)
        return cls(parameters, {parameter.name: parameter for parameter in parameters}, required)


_TABLES: dict[int, _Table] = {}
"""By the id of an endpoint's parameters, of which there are as many as endpoints."""


def check(parameters: Sequence[Parameter], sent: Mapping[str, str], symbol: str, *, always: int = 0) -> None:
    """Check what was sent. `always`: how many parameters of the signature were taken out before.

    Raises RequestRefused with the code and text of the first thing that is wrong.
    """
    if not _is_plain(parameters, sent, symbol):
        _check_in_order(parameters, sent, symbol, always)


def _is_plain(parameters: Sequence[Parameter], sent: Mapping[str, str], symbol: str) -> bool:
    """Whether all is well: what was sent is looked at, which is much less than what could be."""
    table = _TABLES.get(id(parameters))
    if table is None:
        table = _TABLES[id(parameters)] = _Table.of(parameters)
    if not table.required <= sent.keys():
        return False
    known = table.known
    try:
        for name, value in sent.items():
            _check_value(known[name], value, symbol)
    except (KeyError, RequestRefused):
        return False
    return True


def _check_in_order(
    parameters: Sequence[Parameter], sent: Mapping[str, str], symbol: str, always: int
) -> None:
    """The whole check, which says what is wrong."""
    if len(sent) > len(parameters):
        raise errors.too_many_parameters(len(parameters) + always, len(sent) + always)
    read = 0
    for parameter in parameters:
        value = sent.get(parameter.name)
        if value is None:
            if parameter.required:
                raise errors.mandatory(parameter.name)
            continue
        read += 1
        _check_value(parameter, value, symbol)
    if read != len(sent):
        raise errors.unread_parameters(read + always, len(sent) + always)


def _check_value(parameter: Parameter, value: str, symbol: str) -> None:
    kind = parameter.kind
    if not value:
        raise errors.mandatory(parameter.name) if parameter.required else errors.empty(parameter.name)
    if parameter.choices:
        if value not in parameter.choices:
            if parameter.wrong is not None:
                raise RequestRefused(*parameter.wrong)
            raise errors.invalid_data(parameter.name)
        return
    if kind.match(value) is None:
        raise errors.illegal(parameter.name, kind.pattern)
    if kind is Kind.SYMBOL:
        if value != symbol:
            raise errors.invalid_symbol()
    elif kind is Kind.LONG or kind is Kind.SIGNED:
        number = int(value)
        if number > INT64_MAX or number < -INT64_MAX:
            raise errors.overflowed(parameter.name)
        if not parameter.low <= number <= parameter.high:
            raise errors.invalid_data(parameter.name)
    elif kind is Kind.SYMBOLS:
        for name in names_in(value):
            if name != symbol:
                raise errors.invalid_symbol()


def whole(sent: Mapping[str, str], name: str, default: int) -> int:
    """A checked whole number, or `default`."""
    value = sent.get(name)
    return default if value is None else int(value)


def boolean(sent: Mapping[str, str], name: str) -> bool:
    """A checked boolean; False when it was not sent."""
    return sent.get(name, "").lower() == "true"


def choice(sent: Mapping[str, str], name: str, default: str) -> str:
    """A checked word, or `default`."""
    return sent.get(name, default)


def names_in(value: str) -> list[str]:
    """The words of a checked SYMBOLS or LIST value; a single word is a list of one."""
    if not value.startswith("["):
        return [value]
    names = [part.strip('"') for part in value[1:-1].split(",") if part]
    if len(names) > MAX_SYMBOLS:
        raise errors.invalid_data("symbols")
    if len(set(names)) != len(names):
        raise RequestRefused(-1151, "Symbol is present multiple times in the list.")
    return names
