"""The incident's record while it is led: an event is checked, appended and synced, then folded."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from drbook.core.errors import JournalError
from drbook.core.events import (
    ApprovalAsked,
    ConfirmationGiven,
    Event,
    Record,
    Removal,
    ResourceCreated,
    ResourceIntended,
    StepPlanned,
)
from drbook.core.fold import evolve
from drbook.core.growing import Growing
from drbook.core.state import IncidentState
from drbook.journal.writer import Writer
from drbook.mirror.mirrors import Mirrors
from drbook.providers.hiding import scrub_json

_NAMES = (StepPlanned, ConfirmationGiven, ResourceIntended, ResourceCreated, ApprovalAsked)
"""Events that hold names of the runbook's and drbook's own, which later steps use as they are, and
what was masked before it came into them."""


def without_secrets(event: Event) -> Event:
    """The event without the values that this process has revealed."""
    if isinstance(event, _NAMES):
        return event
    fields = event.model_dump(mode="json")
    cleaned = scrub_json(fields)
    if isinstance(event, Removal) and isinstance(cleaned, dict):
        cleaned["name"] = event.name  # the one that was intended
    return event if cleaned == fields else type(event).model_validate(cleaned)


class Ledger:
    """The journal, every record of it, and the state that they fold to. The driver's thread only."""

    def __init__(
        self,
        writer: Writer,
        records: Sequence[Record],
        state: IncidentState,
        now: Callable[[], datetime],
        mirrors: Mirrors,
    ) -> None:
        self.state = state
        self.broken = False
        """True once a record could not or may not be written; nothing is done from then on."""
        self._writer = writer
        self._records = records if isinstance(records, Growing) else Growing(records)
        self._now = now
        self._mirrors = mirrors
        mirrors.written(len(self._records))

    @property
    def records(self) -> Growing[Record]:
        return self._records

    @property
    def path(self) -> Path:
        return self._writer.path

    @property
    def head(self) -> str:
        return self._writer.head

    def put(self, event: Event, actor: str) -> None:
        """Append, sync, fold. Raises JournalError; then nothing that it covers may be done.

        Secrets that came back from outside are taken out before anything is written.
        """
        event = without_secrets(event)
        self.must_record()
        self._must_follow(event, actor)
        try:
            record = self._writer.append(actor, event)
        except JournalError:
            self.broken = True
            raise
        self._records = self._records.and_then(record)
        self.state = evolve(self.state, record)
        self._mirrors.written(record.seq)

    def check(self) -> None:
        """Raises TakenOver, once and for all, where another machine goes on with this incident."""
        if not self.broken and self._mirrors.taken_over is not None:
            self.must_record()

    def must_record(self) -> None:
        """Raises JournalError or TakenOver where nothing can be put on record any more."""
        if (why := self._mirrors.taken_over) is not None:
            self.broken = True
            raise why
        if self.broken:
            raise JournalError(
                "The journal of this incident cannot be written any more.",
                means="Nothing is done that cannot be recorded.",
                next="Make room or mend the disk, then resume the incident.",
            )

    def close(self) -> None:
        self._writer.close()

    def _must_follow(self, event: Event, actor: str) -> None:
        """Raises IllegalEvent for what may not stand next: once written, it could not be unwritten."""
        trial = Record(
            seq=self.state.seq + 1,
            at=self._now(),
            mono_ns=0,
            mode=self.state.mode,
            actor=actor,
            host="",
            event=event,
            prev="",
        )
        evolve(self.state, trial)
