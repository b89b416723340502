"""An incident that somebody else leads, or that has ended: its record as it grows, and nothing else.

It reads what the journal gained, takes no lock, and changes nothing; only a note goes through, the way
`drbook note` writes one.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from drbook.app.model import Command, Snapshot, Trouble, WriteNote
from drbook.app.notes import write_note
from drbook.app.onewriter import written_now
from drbook.app.places import JOURNAL
from drbook.app.planning import internal_error, title_of
from drbook.app.publisher import Previews, Publisher
from drbook.app.stored import stored_runbook
from drbook.app.vocabulary import vocabulary
from drbook.core.deciding import Deciding
from drbook.core.errors import DrbookError, UsageError
from drbook.core.events import Record
from drbook.core.fold import fold
from drbook.core.growing import Growing
from drbook.core.heap import without_collecting
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState
from drbook.core.values import plain
from drbook.journal.reader import Tail, Told
from drbook.providers.hiding import scrub

LOOK_EVERY = 0.5
"""Seconds between two looks at the journal."""


class Follower:
    """Implements `drbook.app.model.Incident`, read-only. Start it with `start`, end it with `stop`."""

    def __init__(
        self,
        folder: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        reading: Told | None = None,
    ) -> None:
        """Reads what is there; `reading` is told how far it is. Raises JournalError for a record that is
        damaged or holds nothing."""
        self.folder = folder
        self._now = now
        self._tail = Tail(folder / JOURNAL)
        self._records: Growing[Record] = Growing()
        self._state = IncidentState()
        self._runbook: Runbook | None = None
        self._deciding: Deciding | None = None
        self._previews: Previews | None = None
        self._trouble: Trouble | None = None
        self._seen_led = self._is_left = False
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        with without_collecting():
            self._catch_up(reading)
        if self._state.opened_at is None:
            raise UsageError(
                f"{plain(folder.name, 100)} was never opened: its record holds nothing.",
                means="There is nothing to watch.",
                next="`drbook incidents` lists the others.",
                code="never-opened",
            )
        self._publisher = Publisher(self._picture())
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    @property
    def snapshot(self) -> Snapshot:
        return self._publisher.snapshot

    def start(self) -> None:
        self._thread.start()

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        return self._publisher.subscribe(callback)

    def submit(self, command: Command, actor: str | None = None) -> "Future[int]":
        """A note is written; everything else is refused in words."""
        future: Future[int] = Future()
        if isinstance(command, WriteNote):
            # The lock, the mirrors and the disk may take their time; whoever watches goes on watching.
            threading.Thread(target=self._note, args=(command, future), daemon=True).start()
            return future
        error = UsageError(
            "This seat only watches: nothing was done.",
            means="An incident is led from one seat, and this is not it.",
            next="Tell whoever leads it, write a note (n), or leave and `drbook resume` it.",
            code="watching",
        )
        self._say(error)
        future.set_exception(error)
        return future

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    # --- behind it ------------------------------------------------------------------------------

    def _note(self, command: WriteNote, future: "Future[int]") -> None:
        try:
            written = write_note(self.folder, command.text, command.happened_at, command.kind)
        except DrbookError as error:
            self._say(error)
            future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - the seat goes on watching
            shown = internal_error(error)
            self._say(shown)
            future.set_exception(shown)
        else:
            self._look()
            future.set_result(written.seq or self._state.seq)

    def _follow(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        """Read what came, and publish it; what cannot be read is said once, and tried again."""
        try:
            with self._lock:
                came, changed = self._catch_up(), self._leader_went_or_came()
                picture = self._picture() if came or changed else None
        except DrbookError as error:
            self._say(error)
        except Exception as error:  # noqa: BLE001 - a defect must not end the only look-out
            self._say(internal_error(error))
        else:
            if picture is not None:
                self._publisher.publish(picture)

    def _leader_went_or_came(self) -> bool:
        """Only what was seen to be led here can be seen to be left."""
        is_led = self._state.closed_at is None and written_now(self._state.incident)
        self._seen_led |= is_led
        before, self._is_left = self._is_left, self._seen_led and not is_led
        return before != self._is_left

    def _catch_up(self, reading: Told | None = None) -> bool:
        came = self._tail.more(reading)
        if not came:
            return False
        for record in came:
            self._records = self._records.and_then(record)
        self._state = fold(came, self._state)
        return True

    def _by(self) -> tuple[Runbook, Deciding, Previews]:
        """The runbook as the record says that it is run now; an amendment brings another."""
        if self._runbook is None or self._runbook.sha256 != self._state.runbook_sha256:
            self._runbook = stored_runbook(self.folder, self._state.runbook_sha256)
            self._deciding = self._previews = None
        if self._deciding is None or self._previews is None:
            self._deciding = Deciding(self._runbook)
            self._previews = Previews(self._runbook, vocabulary().actions, self._previewed)
        return self._runbook, self._deciding, self._previews

    def _previewed(self) -> None:
        """Plans that took longer than a look at the journal have come."""
        with self._lock:
            picture = self._picture()
        self._publisher.publish(picture)

    def _say(self, error: DrbookError) -> None:
        what, means, next = (scrub(text) for text in (error.what, error.means, error.next))
        told = self._trouble is not None and self._trouble.what == what
        if told and error.code.startswith("journal"):
            return  # the next look finds the same
        self._trouble = Trouble(what, means, next, self._now(), error.code)
        self._publisher.publish(replace(self.snapshot, trouble=self._trouble))

    def _picture(self) -> Snapshot:
        state = self._state
        runbook, deciding, previews = self._by()
        actions = vocabulary().actions
        decision = deciding.decision(state)
        plans, problems = previews.of(state, decision.ready)
        return Snapshot(
            runbook=runbook,
            state=state,
            decision=decision,
            outcome=deciding.outcome(state),
            records=self._records,
            head=self._tail.head,
            journal=self._tail.path,
            titles={step.id: title_of(runbook, actions, step.id) for step in runbook.steps},
            effects=previews.effects,
            previews=plans,
            preview_problems=problems,
            trouble=self._trouble,
            watching=True,
            left=self._is_left,
        )
