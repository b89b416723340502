"""An evidence bundle, read to its end without trusting it: its bytes, its digests, its chain, and whose it is.

What a whole rewritten bundle cannot hide from is a signature, or a head that was noted elsewhere.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from drbook.app.approvalcheck import check_approvals
from drbook.app.bundlemade import Again, loaded, made_again
from drbook.core import bundle
from drbook.core import events as ev
from drbook.core.bundle import Looked, Manifest
from drbook.core.errors import DrbookError
from drbook.core.events import Record
from drbook.core.fold import drafted, evolve
from drbook.core.runbook import Runbook
from drbook.core.signatures import Signature, Standing
from drbook.core.state import IncidentState
from drbook.core.values import plain
from drbook.journal.lean import chained
from drbook.providers import plainzip, private
from drbook.providers.plainzip import Crooked, Member
from drbook.providers.sshsign import LARGEST, Asked, check

_DERIVED = (
    "timeline.html", "timeline.md", "timeline.json", "timeline.csv", "controls.json", "controls.md",
    "versions.json", "README.txt",
)  # fmt: skip
"""Members that are made of the journal; each says its head."""
_ARTIFACT = re.compile(r"artifacts/([0-9a-f]{64})[.a-z0-9]*", re.ASCII)


def verify_bundle(path: Path, asked: Asked) -> tuple[Looked, Signature]:
    """What is in the file and whose signature lies beside it, both over the same open file."""
    try:
        with _opened(path) as stream:
            return _with_approvals(look_in(stream), stream), _signature(path, stream, asked)
    except OSError as error:
        why = f"it cannot be read: {plain(error.strerror or str(error), 200)}"
        return Looked(unread=why), Signature(Standing.UNCHECKED, why=why)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no regular file")
        yield stream


def _signature(path: Path, stream: IO[bytes], asked: Asked) -> Signature:
    beside = path.with_name(path.name + ".sig")
    try:
        given = private.read(beside, LARGEST)
    except FileNotFoundError:
        wanted = asked.signers is not None
        return Signature(Standing.MISSING if wanted else Standing.NONE)
    except OSError as error:
        why = f"{beside.name} cannot be read: {error.strerror or error}"
        return Signature(Standing.UNCHECKED, why=plain(why, 300))
    return check(stream, given, bundle.NAMESPACE, asked)


def look_in(stream: IO[bytes]) -> Looked:
    """Everything but the signature. Raises OSError alone: whatever is in it becomes a problem."""
    try:
        held = _held_in(stream)
        if held.problems:
            return held.looked()
        again = made_again(held.manifest, held.records, held.withheld, held.read)
    except Crooked as error:
        return Looked(problems=(f"it is no bundle as drbook writes it: {error}",))
    return held.looked(again)


def holds_together(stream: IO[bytes]) -> tuple[str, ...]:
    """What is wrong with its bytes, digests, chain and names; what its exports say is not looked at. Raises
    OSError alone."""
    try:
        return tuple(_held_in(stream).problems)
    except Crooked as error:
        return (f"it is no bundle as drbook writes it: {error}",)


@dataclass(frozen=True, slots=True)
class _Held:
    """A bundle whose members were read."""

    stream: IO[bytes]
    found: Mapping[str, Member]
    manifest: Manifest
    records: Sequence[Record]
    digests: Sequence[str]
    withheld: Sequence[int]
    problems: Sequence[str]

    def read(self, name: str) -> bytes:
        return b"".join(plainzip.blocks(self.stream, self.found[name]))

    def looked(self, again: Again | None = None) -> Looked:
        again = again or Again()
        return Looked(
            self.manifest,
            (*self.problems, *again.problems),
            unverified=tuple(again.unverified),
            digests=tuple(self.digests),
            records=tuple(self.records),
        )


def _held_in(stream: IO[bytes]) -> _Held:
    """Raises Crooked for what is no bundle at all."""
    found = {member.name: member for member in plainzip.members(stream)}
    stated = found.pop(bundle.MANIFEST, None)
    if stated is None:
        raise Crooked(f"it has no {bundle.MANIFEST}")
    plainzip.digest(stream, stated)  # by its own checksum: nothing else names it
    manifest = _manifest(b"".join(plainzip.blocks(stream, stated)))
    problems = _held(stream, found, manifest)
    records, digests, withheld, why = _journal(stream, found)
    problems += [why] if why else []
    if not problems:
        problems += _fits(manifest, records, digests, withheld)
        problems += _named(manifest, records, found)
    held = _Held(stream, found, manifest, records, digests, withheld, problems)
    if not problems:
        problems += _of_this(held)
    return held


def _with_approvals(looked: Looked, stream: IO[bytes]) -> Looked:
    """The signatures that its record holds, checked again; nothing of a bundle that is not whole."""
    if looked.problems or looked.unread or looked.manifest is None:
        return looked
    found = {member.name: member for member in plainzip.members(stream)}
    names = {sha256: name for name, sha256 in bundle.runbooks(looked.records).items()}

    def runbook(sha256: str) -> Runbook | None:
        member = found.get(names.get(sha256, ""))
        if member is None:
            return None
        return loaded(b"".join(plainzip.blocks(stream, member)), member.name)

    checked = check_approvals(looked.records, runbook)
    return replace(looked, problems=checked.problems, approvals=checked)


def _manifest(text: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = plain(".".join(map(str, first["loc"])), 100)
        raise Crooked(f"its {bundle.MANIFEST} cannot be read: {where}: {first['type']}") from None
    if manifest.written() != text:
        raise Crooked(f"its {bundle.MANIFEST} is not written as drbook writes it")
    return manifest


def _held(stream: IO[bytes], found: Mapping[str, Member], manifest: Manifest) -> list[str]:
    """Each member against the manifest."""
    problems = [
        f"{name} is in it and not in its manifest" for name in found.keys() - manifest.files
    ]
    for name, stated in manifest.files.items():
        member = found.get(name)
        if member is None:
            problems.append(f"{plain(name, 200)} is missing")
        elif member.size != stated.size or plainzip.digest(stream, member) != stated.sha256:
            problems.append(f"{name} is not the file that its manifest names")
    required = (bundle.JOURNAL, *_DERIVED)
    problems += [f"its manifest names no {one}" for one in required if one not in manifest.files]
    return sorted(problems)


def _journal(
    stream: IO[bytes], found: Mapping[str, Member]
) -> tuple[list[Record], list[str], list[int], str]:
    """Records, digests of their lines, which have their rows left out, and what is wrong."""
    records, digests, withheld, state = [], [], [], IncidentState()
    member = found.get(bundle.JOURNAL)
    if member is None:
        return [], [], [], ""
    try:
        for record, digest, lean in chained(plainzip.lines(stream, member)):
            state = evolve(drafted(state), record)
            records.append(record)
            digests.append(digest)
            withheld += [record.seq] if lean else []
    except DrbookError as error:
        return records, digests, withheld, plain(error.what, 300)
    return records, digests, withheld, "" if records else "its journal holds no record"


def _fits(
    manifest: Manifest, records: Sequence[Record], digests: Sequence[str], withheld: Sequence[int]
) -> list[str]:
    """The manifest against the journal."""
    opened, chain = records[0].event, manifest.journal
    assert isinstance(opened, ev.IncidentOpened)  # the rules of the events
    pairs: dict[str, tuple[object, object]] = {
        "head": (chain.head, digests[-1]),
        "number of records": (chain.records, len(records)),
        "records without rows": (chain.withheld, bundle.ranges(withheld)),
        "incident": (manifest.incident, opened.incident),
        "title": (manifest.title, opened.title),
        "mode": (manifest.mode, opened.mode),
        "outcome": (manifest.outcome, bundle.outcome(records)),
        "first time": (manifest.opened_at, records[0].at),
        "last time": (manifest.last_record_at, records[-1].at),
    }
    problems = [
        f"the {what} in its manifest is another one than the journal's"
        for what, (stated, is_so) in pairs.items()
        if stated != is_so
    ]
    if manifest.rows and withheld:
        problems.append("its manifest says that rows are in it, and they are left out")
    return problems


def _named(manifest: Manifest, records: Sequence[Record], found: Mapping[str, Member]) -> list[str]:
    """What the record names is in it, or its lack is said; and nothing else is."""
    wanted = dict(bundle.runbooks(records))
    for name in bundle.artifacts(records, rows=manifest.rows):
        named = _ARTIFACT.fullmatch(name)
        wanted[name] = named[1] if named else ""
    problems = [
        f"its manifest says that something lacks which is in it, or which no record names: {plain(said, 200)}"
        for said in manifest.lacks
        if not any(
            said.startswith(f"{plain(name, 100)}: ") for name in wanted.keys() - found.keys()
        )
    ]
    for name, sha256 in wanted.items():
        lacking = any(said.startswith(f"{plain(name, 100)}: ") for said in manifest.lacks)
        if name not in found:
            problems += [] if lacking else [f"{plain(name, 200)} is on record, and not in it"]
        elif manifest.files[name].sha256 != sha256:
            problems.append(f"{name} is not the one that the record names")
    others = found.keys() - wanted - {bundle.JOURNAL, *_DERIVED}
    return problems + [f"{name} is in it, and no record names it" for name in sorted(others)]


def _of_this(held: _Held) -> list[str]:
    """Each export says this journal's head."""
    head = held.manifest.journal.head.encode()
    return [
        f"{name} does not say this journal's head: it is another record's"
        for name in _DERIVED
        if head not in held.read(name)
    ]
