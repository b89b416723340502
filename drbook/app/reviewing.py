"""The review of an incident's folder, held against the earlier incidents beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from drbook.app.exports import timeline_of
from drbook.app.past import past_of
from drbook.app.places import JOURNAL
from drbook.app.stored import stored_runbook
from drbook.core.errors import DrbookError
from drbook.core.fold import fold
from drbook.journal.reader import read
from drbook.timeline.review import review


def review_of(folder: Path) -> str:
    """A draft as Markdown. Raises JournalError where the journal is damaged."""
    return review(timeline_of(folder), _past(folder))


def _past(folder: Path) -> Mapping[str, Sequence[int]]:
    """Seconds of each step in earlier incidents; none where the runbook is not the one that ran."""
    try:
        runbook = stored_runbook(folder, fold(read(folder / JOURNAL)).runbook_sha256)
    except DrbookError:
        return {}  # the review says that no step's time was held against another
    found = past_of(runbook, folder, earlier=True)
    return {step: one.seconds for step, one in found.items()}
