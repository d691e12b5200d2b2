"""All targets of a session: what they are, what is known of them, and what that amounts to.

Live and replay hosts put every TARGET_SAMPLE input through `take`, in order; verdicts and disagreements are
functions of these alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.types import Account, Command
from engine.frame import TargetView, VerdictView
from engine.host.target_record import TargetRecord, sample_of
from engine.recording.agreement import Disagreement
from engine.recording.targets import TargetRecords
from engine.recording.truth import account_of_key, ledger_sample
from engine.recording.verdict import Verdict
from engine.scenarios.loader import Thresholds
from engine.session import Session
from engine.target.contract import TargetStatus
from engine.target.spec import TargetSpec, parse_targets

__all__ = ["Targets", "verdict_view"]


class Targets:
    """The targets of one session, in their order; the first is the one that the verdict is about."""

    def __init__(self, texts: Sequence[str], thresholds: Thresholds, record_from_ns: int = 0) -> None:
        """`texts`: as after --target. Raises UsageError."""
        self.specs: tuple[TargetSpec, ...] = parse_targets(texts)
        self.records = tuple(TargetRecord(spec) for spec in self.specs)
        self._thresholds = thresholds
        self._folded = TargetRecords(record_from_ns)

    @property
    def first(self) -> TargetRecord:
        """THE target."""
        return self.records[0]

    @property
    def names(self) -> list[str]:
        """As they were given, without secrets."""
        return [spec.text for spec in self.specs]

    @property
    def asked(self) -> list[int]:
        """Numbers of those that are polled."""
        return [number for number, spec in enumerate(self.specs) if spec.is_asked]

    @property
    def have_accounts(self) -> bool:
        """Whether the ledger has a word on any of them."""
        return any(spec.has_account for spec in self.specs)

    def ledger_samples(self, session: Session) -> list[Command]:
        """The ledger's word on each target that trades here and has its account already."""
        samples = [self.ledger_sample(session, number) for number in range(len(self.specs))]
        return [sample for sample in samples if sample is not None]

    def ledger_sample(self, session: Session, number: int) -> Command | None:
        """The ledger's word on one; None where it has none."""
        spec = self.specs[number]
        account = int(Account.TARGET) if spec.is_native else None
        if spec.key is not None:
            account = account_of_key(session, spec.key)
        return None if account is None else ledger_sample(session, number, account, native=spec.is_native)

    def answer_sample(self, session: Session, number: int, status: TargetStatus) -> Command:
        """The input that stands for the outcome of a poll."""
        account = self.records[number].account or 0
        return sample_of(status, number, lot_size=session.exchange.instrument.lot_size, account=account)

    def take(self, session: Session, sample: Command) -> list[Disagreement]:
        """Take the next TARGET_SAMPLE input. New disagreements, and those that have ended, become alerts."""
        if sample.side >= len(self.records):
            return []
        self.records[sample.side].take(sample)
        news = self._folded.observe(sample)
        for one in news:
            key = f"target-{one.number}-{one.what}"
            if one.ended_ns is not None:
                session.alerts.clear(key, session.now_ns)
                continue
            name = self.records[one.number].bot or self.specs[one.number].text
            session.alerts.raise_alert(
                key,
                time_ns=one.found_ns,
                severity="warning",
                text=f"target {name}: {one.line}",
                kind="target",
            )
        return news

    def rebase(self) -> None:
        """A recording starts."""
        for record in self.records:
            record.rebase()

    def judge(self, number: int = 0) -> Verdict:
        """The verdict on one as of its last sample."""
        return self._folded.judge(number, self._thresholds, has_target=self.specs[number].kind != "none")

    def views(self, session: Session) -> tuple[TargetView, ...]:
        """For the frame."""
        return tuple(
            record.view(session)._replace(
                judged_by=self._folded.judged_by(number),
                disagreements=tuple(one.line for one in self._folded.standing(number)),
                verdict=verdict_view(self.judge(number)),
            )
            for number, record in enumerate(self.records)
        )


def verdict_view(verdict: Verdict) -> VerdictView:
    """A verdict for the screen."""
    return VerdictView(verdict.verdict, verdict.delta, verdict.reason)
