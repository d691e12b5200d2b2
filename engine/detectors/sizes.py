"""How large a native iceberg is, while it trades: from the survival of icebergs (Kaplan and Meier 1958).

SURVIVAL says what share of icebergs executes more than 0, 1, 2, ... tips, as survival_of makes it of those
that were seen (one that is still there counts as "at least so large": censored). One that has executed n tips
is one of those with n or more; the expected size is the one with the least mean relative error among them:
the median, where each weighs 1/size. Beyond the table it is GROWTH times what is executed. (Zotikov and
Antonov 2019 do so with the icebergs of CME.) The table is of simulated icebergs on development seeds: a first
guess elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["SURVIVAL", "expected_tips", "survival_of"]

SURVIVAL: tuple[float, ...] = (
    1.0, 1.0, 0.909, 0.909, 0.727, 0.727, 0.515, 0.485, 0.485, 0.485, 0.424, 0.242, 0.182, 0.182, 0.182, 0.03,
    0.0,
)  # fmt: skip
GROWTH = 1.3


def expected_tips(executed: float) -> float:
    """Tips altogether, of an iceberg that has executed so many; never fewer than those."""
    least = max(1, round(executed))
    shares = [(tips, (SURVIVAL[tips - 1] - SURVIVAL[tips]) / tips) for tips in range(least, len(SURVIVAL))]
    left = sum(share for _, share in shares) / 2.0
    if left == 0.0:
        return GROWTH * executed
    below = 0.0
    for tips, share in shares:
        below += share
        if below >= left:
            return max(executed, float(tips))
    return executed


def survival_of(bergs: Iterable[tuple[float, bool]]) -> tuple[float, ...]:
    """The table, of icebergs as (tips executed, whether that was all of it)."""
    known = [(round(tips), whole) for tips, whole in bergs]
    share, table = 1.0, []
    for tips in range(max((tips for tips, _ in known), default=0) + 1):
        at_risk = sum(size >= tips for size, _ in known)
        ended = sum(size == tips and whole for size, whole in known)
        share *= 1.0 - ended / at_risk
        table.append(share)
    return tuple(table)
