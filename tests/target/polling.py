"""Pollers for tests: a bot of the contract, polled fast."""

from __future__ import annotations

from collections.abc import Callable

from engine.target.adapter import Address, ContractAdapter
from engine.target.contract import TargetStatus
from engine.target.poller import TargetPoller


def contract_poller(
    address: Address,
    on_status: Callable[[TargetStatus], None],
    *,
    period_s: float = 1.0,
    timeout_ms: int = 800,
) -> TargetPoller:
    return TargetPoller(ContractAdapter(address, timeout_ms=timeout_ms), on_status, period_s=period_s)
