"""The timeline of an incident's folder or of a running incident, with what its runbook says."""

from collections.abc import Sequence
from pathlib import Path

from drbook.app.places import JOURNAL
from drbook.app.planning import title_of
from drbook.app.session import stored_runbook
from drbook.app.vocabulary import vocabulary
from drbook.core.errors import DrbookError, JournalError
from drbook.core.events import Record
from drbook.core.runbook import Runbook
from drbook.journal.reader import read, verify
from drbook.timeline.build import build
from drbook.timeline.model import JournalFacts, Timeline


def timeline_of(folder: Path) -> Timeline:
    """From the journal on disk. Raises JournalError where it cannot be read as a whole."""
    path = folder / JOURNAL
    found = verify(path)
    if not found.intact:
        raise JournalError(
            f"The journal {path} is not intact: {found.problem}",
            means="A timeline of it would claim more than the record proves.",
            next="Compare it with a copy of the journal from before; keep this one as evidence.",
            code="journal-damaged",
        )
    records = read(path)
    try:
        runbook: Runbook | None = stored_runbook(folder)
    except DrbookError:
        runbook = None  # the record alone still tells everything but titles and phases
    facts = JournalFacts(str(path), found.head, found.intact, found.problem)
    return build_with(records, facts, runbook)


def build_with(
    records: Sequence[Record], journal: JournalFacts, runbook: Runbook | None
) -> Timeline:
    if not records:
        raise JournalError(f"The journal {journal.path} holds no record yet.")
    if runbook is None:
        return build(records, journal=journal)
    actions = vocabulary().actions
    return build(
        records,
        journal=journal,
        phases={step.id: step.step.phase.value for step in runbook.steps},
        titles={step.id: title_of(runbook, actions, step.id) for step in runbook.steps},
    )
