"""The cards of bots: whatever is known, at any size."""

from __future__ import annotations

import pytest

from desk.theme import palette_of
from desk.widgets.cards import card_line, card_rows, full_card_rows
from engine.score.card import BotCard
from tests.desk.fake_host import ACME, bot_card

PALETTE = palette_of("default")


def text(rows: list[tuple[tuple[str, object], ...]]) -> list[str]:
    return ["".join(piece for piece, _ in row).rstrip() for row in rows]


def nothing_known() -> BotCard:
    return bot_card(faults=False)._replace(
        verdict="UNKNOWN", reasons=(), equity=None, pnl=0, spread_pnl=0, maker_spread_pnl=0, inventory_pnl=0,
        fees=0, adverse_selection=None, realised_spread=None, fills=0, fill_ratio=None, order_to_trade=None,
        maker_share=None, quote_uptime=None, max_drawdown=0, worst_ns=None, self_report=None,
    )  # fmt: skip


def test_the_parts_of_the_profit_stand_with_their_signs_and_sum_to_it() -> None:
    card = bot_card()
    assert card.pnl == card.spread_pnl + card.inventory_pnl - card.fees
    rows = text(full_card_rows(card, ACME, PALETTE, 118))
    for name, amount in (
        ("spread", "+40.25"),
        ("inventory", "-60.25"),
        ("fees", "-3.50"),
        ("profit", "-23.50"),
    ):
        assert any(row.split()[:2] == [name, amount] for row in rows), name


def test_each_fault_says_when_it_was_noticed_put_right_and_over() -> None:
    rows = text(full_card_rows(bot_card(), ACME, PALETTE, 118))
    faults = [row.split() for row in rows[-3:]]
    assert faults == [
        ["limit", "0.90", "80s", "–", "–", "on", "14", "0", "-1.05"],
        ["ghost", "0.50", "60s", "+3.2s", "never", "+3.0s", "0", "7", "+4.10"],
        ["crash", "0.80", "20s", "+1.4s", "–", "–", "0", "0", "-31.00"],
    ]


def test_what_it_says_of_itself_stands_beside_the_ledger() -> None:
    rows = text(full_card_rows(bot_card(), ACME, PALETTE, 118))
    assert " it says -10.00 USD  the ledger says -23.50  difference +13.50" in rows


def test_what_is_not_known_is_a_dash() -> None:
    card = nothing_known()
    rows = text(full_card_rows(card, ACME, PALETTE, 118))
    assert any("equity –" in row for row in rows)
    assert any(row.split()[:2] == ["adverse", "–"] for row in rows)
    assert "   none so far" in rows
    assert any("mkr – quote –" in row for row in text(card_rows(card, ACME, PALETTE, 6)))
    assert text([card_line(card, PALETTE, 80)])[0].startswith(" ▪ BOT maker-1 UNKNOWN 0.00")


@pytest.mark.parametrize("height", [0, 1, 3, 6, 40])
def test_a_small_card_keeps_to_its_rows(height: int) -> None:
    assert len(card_rows(bot_card(), ACME, PALETTE, height)) <= height
