"""The evidence bundle: its manifest, and the personal data that it holds.

Pure. The manifest names every other file by its SHA-256, and the journal by its head; it cannot name who
signed, for the signature is over it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from drbook.core import events as ev
from drbook.core.approval import Checked
from drbook.core.events import Mode, Record, named_artifacts
from drbook.core.gobag import Packed
from drbook.core.results import COMPARE, HTTP, SHELL, RestoreResult, read_result
from drbook.core.values import Frozen, UtcTime, plain
from drbook.core.withheld import actions_of, holds_rows

MANIFEST, JOURNAL, RUNBOOK, VERSIONS = (
    "MANIFEST.json", "journal.jsonl", "runbook.yaml", "versions.json",
)  # fmt: skip
CONTROLS, README = "controls", "README.txt"
NAMESPACE = "drbook-bundle"
"""What its signature is for: one made for something else is none for it."""
OPEN = "open"


class Personal(Frozen):
    """One kind of personal data, and which records hold it."""

    what: str
    records: str
    """Sequence numbers, as `3, 7-9`; or a file's name."""


class Chain(Frozen):
    """The journal, as it is in the bundle."""

    records: int = Field(ge=1)
    head: str = Field(pattern=r"^[0-9a-f]{64}$")
    withheld: str = ""
    """Sequence numbers of records without their rows."""
    torn_bytes: int = 0
    """Of a last line that a crash left unfinished; they are left out."""


class Manifest(Frozen):
    """`MANIFEST.json`."""

    bundle: Literal[1] = 1
    """The version of this document."""
    drbook: str
    """The version that made it."""
    incident: str
    title: str
    mode: Mode
    outcome: str
    """As the record closes; `open` where it does not."""
    opened_at: UtcTime
    last_record_at: UtcTime
    journal: Chain
    rows: bool
    """Whether rows of databases are in it."""
    personal: tuple[Personal, ...]
    lacks: tuple[str, ...] = ()
    """What should have been in it and could not be had, each with its reason."""
    files: Mapping[str, Packed]
    """By name, every other file in it."""

    def written(self) -> bytes:
        """Its one way to be written; what is outside ASCII is escaped, so that it can be shown."""
        return written(self).encode("ascii")


@dataclass(frozen=True, slots=True)
class Looked:
    """What reading a bundle to its end showed."""

    manifest: Manifest | None = None
    """None where it has none that can be read."""
    problems: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    """What could not be made again of its journal, and so is not known to say the same."""
    unread: str = ""
    """Why it could not be looked at; empty where it was."""
    digests: tuple[str, ...] = ()
    """Of each line of its journal, as it was written."""
    records: tuple[Record, ...] = field(default=(), repr=False)
    approvals: Checked = field(default_factory=Checked)
    """What its approvals rest on, where they were looked at."""


def on_word(manifest: Manifest) -> tuple[str, ...]:
    """What nothing in a bundle proves: it is the word of whoever made it."""
    torn = manifest.journal.torn_bytes
    said = [f"that drbook {plain(manifest.drbook, 40)} made it"]
    said += [f"that {torn} bytes of a torn last line were left out"] if torn else []
    said += [f"why something lacks: {plain(each, 300)}" for each in manifest.lacks]
    return tuple(said)


def ranges(numbers: Iterable[int]) -> str:
    """`3, 7-9` of rising numbers."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


_TYPED = (
    ev.NoteAdded, ev.AnswerGiven, ev.ConfirmationGiven, ev.StepSkipped, ev.DecisionRecorded,
    ev.PointChosen, ev.CancelRequested,
)  # fmt: skip
_NOTES, _HANDED = "notes, answers and comments that somebody typed", "who it was handed over to"
_NAMES = "names of operators, and of the hosts they worked on"
_APPROVED = "who approved"
_MAY_APPROVE = "who may approve, with their public keys"
_PASTED = "output that somebody pasted, and what was done by hand"
_OTHERS = "what other systems' files said, with the names in it"
_PRINTED = "what commands printed and requests were answered; rows of a database may be among it"
_COMMANDS = "command lines, with user names and paths as they were given"
_INPUTS = (
    "inputs of the incident, and arguments of steps; a runbook may hand values of rows on in them"
)
_ROWS = "rows of databases: answers of queries, and rows in which two databases differ"
_RANGES = "keys of rows, as the ends of the stretches in which two databases differ"


def personal(
    records: Sequence[Record], *, rows: bool, contacts: bool, artifacts: bool
) -> tuple[Personal, ...]:
    """What personal data the bundle of these records holds, or may hold."""
    actions = actions_of(records)
    found: dict[str, list[int]] = {_NAMES: [record.seq for record in records]}
    for record in records:
        for what in _held(record.event, actions, rows=rows):
            found.setdefault(what, []).append(record.seq)
    listed = [Personal(what=what, records=ranges(seqs)) for what, seqs in found.items()]
    if contacts:
        said = "names and telephone numbers: the runbook's contacts"
        listed.append(Personal(what=said, records=RUNBOOK))
    if artifacts:
        said = "files that were kept as evidence; nobody looked into them"
        listed.append(Personal(what=said, records="artifacts/"))
    return tuple(listed)


def _held(event: ev.Event, actions: Mapping[tuple[str, int], str], *, rows: bool) -> Iterator[str]:
    if isinstance(event, _TYPED):
        yield _NOTES
    elif isinstance(event, ev.HandedOver):
        yield _HANDED
    elif isinstance(event, ev.ApprovalGiven | ev.ApprovalRefused):
        yield _APPROVED
    elif isinstance(event, ev.ApproversTaken | ev.ApprovalAsked):
        yield _MAY_APPROVE
    elif isinstance(event, ev.StepDoneElsewhere | ev.StepResolved):
        yield _PASTED
    elif isinstance(event, ev.ExternalFileTaken | ev.ExternalEntryAdded):
        yield _OTHERS
    elif isinstance(event, ev.ProcessStarted):
        yield _COMMANDS
    elif isinstance(event, ev.InputChanged | ev.StepPlanned | ev.IncidentOpened):
        yield _INPUTS
    if isinstance(event, ev.StepFinished | ev.StepResolved) and event.result is not None:
        action = actions.get((event.step, event.attempt), "")
        if action in (SHELL, HTTP):
            yield _PRINTED
        if rows and holds_rows(event, actions):
            yield _ROWS
        if action == COMPARE:
            yield _RANGES


class Versions(Frozen):
    """`versions.json`: what the record says of the programs that led the incident."""

    head: str
    drbook: str
    environment: Mapping[str, str]
    """Python, the platform and PostgreSQL's programs, as they were when it was opened."""
    postgres: tuple[str, ...] = ()
    """Programs that steps named in their results, with their versions."""


def versions(records: Sequence[Record], head: str) -> Versions:
    opened = records[0].event
    assert isinstance(opened, ev.IncidentOpened)  # the rules of the events
    found = []
    for event in (record.event for record in records):
        if isinstance(event, ev.StepFinished):
            restored = read_result(RestoreResult, event.result)
            if restored is not None and restored.load is not None:
                found.append(f"{restored.load.tool} {restored.load.tool_version}")
    return Versions(
        head=head,
        drbook=opened.drbook_version,
        environment=dict(sorted(opened.environment.items())),
        postgres=tuple(sorted(set(found))),
    )


def written(document: Frozen) -> str:
    """A document of a bundle as JSON, in its one way."""
    return json.dumps(document.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def runbooks(records: Sequence[Record]) -> dict[str, str]:
    """The digest of each runbook that the record names, by its name in a bundle."""
    found = dict[str, str]()
    for event in (record.event for record in records):
        if isinstance(event, ev.IncidentOpened):
            found[RUNBOOK] = event.runbook_sha256
        elif isinstance(event, ev.RunbookAmended):
            found[f"runbook-{event.runbook_sha256[:16]}.yaml"] = event.runbook_sha256
    return found


ROW_FILES = (".rows", ".conflicts", ".undo.sql")
"""How the names of artifacts end that hold rows of a database."""


def artifacts(records: Sequence[Record], *, rows: bool) -> tuple[str, ...]:
    """The names of the artifacts on record that belong into a bundle, each once: files of rows only with the
    rows."""
    named = set(named_artifacts(records))
    return tuple(sorted(name for name in named if rows or not name.endswith(ROW_FILES)))


def outcome(records: Sequence[Record]) -> str:
    """As the record closes; OPEN where it does not."""
    ends = [one.event.outcome for one in records if isinstance(one.event, ev.IncidentClosed)]
    return ends[-1] if ends else OPEN
