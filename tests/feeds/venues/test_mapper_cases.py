"""All mapper cases of the venues that are in the file, and proof that the comparison would see a mistake."""

import pytest

from engine.core.types import Side
from engine.feeds.venues.bitstamp import Bitstamp
from engine.feeds.venues.events import BookDelta, BookL2, MarketEvent, Quote, Trade
from engine.feeds.venues.kucoin import Kucoin
from engine.feeds.venues.registry import VENUES
from tests.feeds.venues.mapper_cases import EXCHANGES, PATH, compare

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not PATH.is_file(), reason="no mapper cases in ../shared"),
]


@pytest.mark.parametrize("venue", EXCHANGES)
def test_no_case_ends_differently(venue: str) -> None:
    table = compare(venue, VENUES[venue])
    print(f"\n{table}")
    assert table.different == []
    assert table.equal + table.not_comparable.total() == table.cases > 0


def spoiled(event: MarketEvent) -> MarketEvent | None:
    match event:
        case Trade():
            return event._replace(aggressor_side=Side.BID)
        case Quote():
            return event._replace(bid=event.ask)
        case BookL2():
            return event._replace(asks=event.asks[1:])
        case BookDelta():
            return None


class SpoiledKucoin(Kucoin):
    def take(self, text: bytes, receive_time_ns: int, about: str = "") -> list[MarketEvent]:
        events = map(spoiled, super().take(text, receive_time_ns, about))
        return [event for event in events if event is not None]


class LateBitstamp(Bitstamp):
    def take(self, text: bytes, receive_time_ns: int, about: str = "") -> list[MarketEvent]:
        events = super().take(text, receive_time_ns, about)
        return [event._replace(exchange_time_ns=receive_time_ns + 1) for event in events]


def test_a_spoiled_normaliser_ends_differently() -> None:
    table = compare("kucoin", SpoiledKucoin)
    texts = "\n".join(table.different)
    assert len(table.different) == 11
    assert all(f"what='{what}'" in texts for what in ("side", "bid", "asks", "book_change"))


def test_a_wrong_time_ends_differently() -> None:
    table = compare("bitstamp", LateBitstamp)
    assert len(table.different) == 5
    assert all("what='time'" in text for text in table.different)
