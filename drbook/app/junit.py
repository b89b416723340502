"""The JUnit file of an unattended run: from its start on it never holds the result of an older one."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drbook.app.exports import build_with
from drbook.app.model import Snapshot
from drbook.core.engine import Outcome
from drbook.core.errors import DrbookError, UsageError
from drbook.core.values import plain
from drbook.providers import private
from drbook.providers.hiding import scrub
from drbook.timeline.junit import Ending, junit, no_result
from drbook.timeline.model import JournalFacts

Ended = Callable[[Snapshot, Outcome], None]


@contextmanager
def reported(path: Path, title: str) -> Iterator[Ended]:
    """What it hands out writes the result. Before, and where an error ends the block, the file says that
    there is none. Raises UsageError where it cannot be written."""
    _write(path, no_result(title, "not-ended", "The run has begun, and has not ended."))

    def ended(snapshot: Snapshot, outcome: Outcome) -> None:
        facts = JournalFacts(str(snapshot.journal), snapshot.head, intact=True)
        timeline = build_with(snapshot.records, facts, snapshot.runbook)
        ending = Ending(outcome.word, int(outcome.code), scrub(outcome.reason))
        _write(path, junit(timeline, snapshot.state, snapshot.runbook, ending))

    try:
        yield ended
    except DrbookError as error:
        _write(path, no_result(title, error.code, scrub(error.explain())))
        raise


def _write(path: Path, data: bytes) -> None:
    """The new bytes or the old ones, never a part of either."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with private.replace_bytes(beside) as stream:
            stream.write(data)
        os.replace(beside, path)
    except OSError as error:
        raise UsageError(
            f"{plain(str(path), 400)} cannot be written: {error.strerror or error}.",
            means="There is no JUnit file of this run; the incident's record is not touched by that.",
            next="Name a file in a folder of yours that has room.",
            code="junit",
        ) from None
