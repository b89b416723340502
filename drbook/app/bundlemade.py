"""What lies in a bundle beside the record and is made of it: when one is written, and again when one is checked.

Whoever signs a bundle vouches for its bytes; that its pages say what its record says, only making them again
shows. What this drbook cannot make again is told as not verified, never as whole.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from drbook import __version__
from drbook.app.exports import build_with
from drbook.app.vocabulary import vocabulary
from drbook.core import bundle
from drbook.core.bundle import Manifest
from drbook.core.controls import control_map
from drbook.core.errors import DrbookError
from drbook.core.events import Record
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.core.withheld import actions_of, without_rows
from drbook.language.load import load
from drbook.timeline.controlmap import markdown_map, readme
from drbook.timeline.export import export
from drbook.timeline.imports import differing, lost, read_export
from drbook.timeline.model import JournalFacts

EXPORTED = ("html", "md", "json", "csv")
"""The formats of the timeline that lie in a bundle; the JSON one is CloudEvents."""
_READ_BACK = {"timeline.md": "md", "timeline.json": "json", "timeline.csv": "csv"}
"""Exports of another version that can be held against the journal record by record."""

Read = Callable[[str], bytes]
"""The bytes of a member of a bundle."""


def exports(records: Sequence[Record], head: str, runbook: Runbook | None) -> dict[str, bytes]:
    """Each file that is made of the record and the runbook, by its name; the page about the bundle is made of
    its manifest."""
    timeline = build_with(records, JournalFacts(bundle.JOURNAL, head, intact=True), runbook)
    phases: Mapping[str, str] = (
        {step.id: step.step.phase.value for step in runbook.steps} if runbook is not None else {}
    )
    controls = control_map(records, phases, head)
    texts = {f"timeline.{kind}": export(timeline, kind) for kind in EXPORTED}
    texts[f"{bundle.CONTROLS}.md"] = markdown_map(controls)
    texts[f"{bundle.CONTROLS}.json"] = bundle.written(controls)
    texts[bundle.VERSIONS] = bundle.written(bundle.versions(records, head))
    return {name: text.encode("utf-8", "backslashreplace") for name, text in texts.items()}


@dataclass(slots=True)
class Again:
    """What making everything again showed."""

    problems: list[str] = field(default_factory=list)
    """What is not what the record says."""
    unverified: list[str] = field(default_factory=list)
    """What this drbook could not make again."""


def made_again(
    manifest: Manifest, records: Sequence[Record], withheld: Collection[int], read: Read
) -> Again:
    """Everything in a bundle that is made of its journal, against what is made of it here. The digests, the
    chain and the runbooks were held against each other before; `withheld` are the records without rows."""
    runbook, why = _runbook(manifest, records, read)
    if manifest.drbook != __version__:
        why = f"drbook {plain(manifest.drbook, 40)} made it, and this is {__version__}"
    head, again = manifest.journal.head, Again()
    made = exports(records, head, runbook) | {bundle.README: readme(manifest).encode()}
    for name, expected in made.items():
        there = read(name)
        if there == expected:
            continue
        said = _read_back(name, expected, there, records, manifest.incident)
        if not why:
            again.problems.append(_another(name, said))
        elif said:
            again.problems += [f"{name}: {each}" for each in said]
        else:
            again.unverified.append(f"{name} cannot be made again here: {why}")
    told = list(_manifest(manifest, records, withheld, runbook))
    if not why:
        again.problems += told
    else:
        again.unverified += [f"{each}; it cannot be made again here: {why}" for each in told]
    return again


def _runbook(
    manifest: Manifest, records: Sequence[Record], read: Read
) -> tuple[Runbook | None, str]:
    """The last one, and why it cannot be used here; that it lacks is said in the manifest."""
    name = list(bundle.runbooks(records))[-1]
    if name not in manifest.files:
        return None, ""
    found = loaded(read(name), name)
    return found, "" if found is not None else f"this drbook cannot load {name}"


def loaded(data: bytes, name: str) -> Runbook | None:
    """A runbook of a bundle; None where this drbook cannot load it."""
    try:
        return load(data, name, vocabulary())
    except DrbookError:
        return None


def _another(name: str, said: Sequence[str]) -> str:
    why = f": {plain(said[0], 200)}" if said else ""
    more = f", and {len(said) - 1} more" if len(said) > 1 else ""
    return f"{name} is not what drbook {__version__} makes of this journal{why}{more}"


def _read_back(
    name: str, expected: bytes, there: bytes, records: Sequence[Record], incident: str
) -> tuple[str, ...]:
    """What an export says of records that the journal does not; empty also where that cannot be read."""
    kind = _READ_BACK.get(name)
    if kind is None:
        return ()
    try:
        found = read_export(there.decode(), kind)
    except UnicodeDecodeError:
        return ("it is not UTF-8 text",)
    if kind == "json":
        said = [*found.problems, *lost(records, found, incident)]
        if not said and there.splitlines()[-1:] != expected.splitlines()[-1:]:
            said.append("its last line, of the head, is not what the journal says")
        return tuple(said)
    rows, around = differing(expected.decode(), found)
    return tuple(found.problems) + (() if around else rows)


def _manifest(
    manifest: Manifest,
    records: Sequence[Record],
    withheld: Collection[int],
    runbook: Runbook | None,
) -> list[str]:
    """What of the manifest is made of the record, beside what is in the record itself."""
    listed = bundle.personal(
        records,
        rows=manifest.rows,
        contacts=runbook is None or bool(runbook.document.contacts),
        artifacts=any(name.startswith("artifacts/") for name in manifest.files),
    )
    said = []
    if manifest.personal != listed:
        said.append("the personal data in its manifest is not what its journal holds")
    actions = actions_of(records)
    left = [
        record.seq
        for record in records
        if record.seq not in withheld and without_rows(record.event, actions) is not record.event
    ]
    if left and not manifest.rows:
        seqs = bundle.ranges(left)
        said.append(f"its manifest says that no rows are in it, and they are: records {seqs}")
    return said
