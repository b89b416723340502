"""The evidence bundle of an incident: gathered from its folder, written, read again, and signed.

The same incident gives the same bytes: whatever is in it comes from the record, the stored runbooks and the
artifacts that the record names.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from drbook import __version__
from drbook.app.bundlecheck import look_in
from drbook.app.bundlemade import exports
from drbook.app.places import JOURNAL as JOURNAL_FILE
from drbook.app.stored import stored_path, stored_runbook
from drbook.core import bundle
from drbook.core import events as ev
from drbook.core.bundle import Chain, Manifest
from drbook.core.errors import CouldNotVerify, DrbookError, JournalError, StepFailed, UsageError
from drbook.core.events import Record
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.core.withheld import actions_of, without_rows
from drbook.journal.lean import lean
from drbook.journal.reader import read_lines, verify
from drbook.providers import plainzip
from drbook.providers.contents import Content, packed
from drbook.providers.download import sync_folder
from drbook.providers.sshsign import sign
from drbook.timeline.controlmap import readme

_ARTIFACT = re.compile(r"artifacts/([0-9a-f]{64})(\.[a-z0-9]{1,10}){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Done:
    """A bundle that was written, and read again."""

    path: Path
    manifest: Manifest
    sha256: str
    signature: Path | None


@dataclass(slots=True)
class _Contents:
    files: dict[str, Content] = field(default_factory=dict)
    lacks: list[str] = field(default_factory=list)


def write_bundle(folder: Path, path: Path, *, key: Path | None, rows: bool) -> Done:
    """Raises UsageError for the place, JournalError for a record that is damaged, StepFailed where it cannot
    be written or signed, CouldNotVerify where what was written does not read as it should; in each case
    nothing is left there."""
    signed = path.with_name(path.name + ".sig")
    _may_write(path, signed, key)
    manifest, files = gathered(folder, rows=rows)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    made = [fresh]
    try:
        plainzip.write(fresh, files)
        with fresh.open("rb") as stream:
            looked = look_in(stream)
            wrong = looked.problems + looked.unverified
            if wrong or looked.manifest != manifest:
                raise _not_as_written(path, wrong)
            if key is not None:
                _store(signed, sign(stream, key, bundle.NAMESPACE))
                made.append(signed)
        sha256 = packed(fresh).sha256
        _name(fresh, path)
        made.append(path)
        sync_folder(path.parent)
    except BaseException as error:
        for one in made:
            one.unlink(missing_ok=True)
        if isinstance(error, OSError | ValueError):
            raise _not_written(path, error) from None
        raise
    return Done(path, manifest, sha256, signed if key is not None else None)


def _may_write(path: Path, signed: Path, key: Path | None) -> None:
    why = ""
    if path.suffix.lower() != ".zip":
        why = "its name does not end in .zip"
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        why = "its folder is not there, or cannot be written to"
    elif taken := next((one for one in (path, signed) if os.path.lexists(one)), None):
        why = f"{plain(taken.name, 200)} exists already"
    if why:
        raise UsageError(
            f"{plain(str(path), 300)} cannot be written: {why}.",
            means="Nothing was written: a bundle is evidence, and is not written over.",
            next="Give another name that ends in .zip, in a folder that is there.",
            code="bundle-place",
        )
    if key is not None and not key.is_file():
        raise UsageError(
            f"There is no key {plain(str(key), 300)}.",
            means="Nothing was written.",
            next="Name a private key's file, or the public file of a key that an agent holds.",
            code="bundle-key",
        )


def _name(fresh: Path, path: Path) -> None:
    """Give it its name, never over another file; a stick's file system may have no links. Raises OSError."""
    try:
        os.link(fresh, path)
    except OSError:
        if os.path.lexists(path):
            raise
        fresh.rename(path)
    else:
        fresh.unlink()


def _store(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def gathered(folder: Path, *, rows: bool) -> tuple[Manifest, dict[str, Content]]:
    """The manifest and everything in the bundle, by name. Raises JournalError where the record is damaged
    or empty."""
    path = folder / JOURNAL_FILE
    found = verify(path)
    if not found.intact:
        raise JournalError(
            f"The journal {path} is not intact: {found.problem}",
            means="A bundle of it would claim more than the record proves. Nothing was written.",
            next="Compare it with a copy of the journal from before; keep this one as evidence.",
            code="journal-damaged",
        )
    contents = _Contents()
    written = read_lines(path, found.records)
    records = _journal(written, contents, rows=rows)
    if records[-1].seq != found.records:
        raise JournalError(f"The journal {path} lost records while it was read.")
    runbook = _runbooks(folder, records, contents)
    _artifacts(folder, records, contents, rows=rows)
    contents.files |= exports(records, found.head, runbook)
    opened = records[0].event
    assert isinstance(opened, ev.IncidentOpened)  # the rules of the events
    manifest = Manifest(
        drbook=__version__,
        incident=opened.incident,
        title=opened.title,
        mode=opened.mode,
        outcome=bundle.outcome(records),
        opened_at=records[0].at,
        last_record_at=records[-1].at,
        journal=Chain(
            records=found.records,
            head=found.head,
            withheld=bundle.ranges(
                record.seq
                for record, (was, _, _) in zip(records, written, strict=True)
                if record is not was
            ),
            torn_bytes=found.torn,
        ),
        rows=rows,
        personal=bundle.personal(
            [record for record, _, _ in written],
            rows=rows,
            contacts=runbook is None or bool(runbook.document.contacts),
            artifacts=any(name.startswith("artifacts/") for name in contents.files),
        ),
        lacks=tuple(contents.lacks),
        files={},
    )
    contents.files[bundle.README] = readme(manifest).encode()
    files = dict(sorted(contents.files.items()))
    try:
        named = {name: packed(content) for name, content in files.items()}
    except OSError as error:
        raise _not_written(folder, error) from None
    manifest = manifest.model_copy(update={"files": named})
    return manifest, files | {bundle.MANIFEST: manifest.written()}


def _journal(
    written: list[tuple[Record, str, bytes]], contents: _Contents, *, rows: bool
) -> tuple[Record, ...]:
    """The journal's lines, and the records as they stand in them."""
    actions = actions_of(record for record, _, _ in written)
    lines, records = [], []
    for record, digest, line in written:
        event = record.event if rows else without_rows(record.event, actions)
        if event is record.event:
            lines.append(line)
            records.append(record)
        else:
            records.append(record.model_copy(update={"event": event}))
            lines.append(lean(records[-1], digest) + b"\n")
    contents.files[bundle.JOURNAL] = b"".join(lines)
    return tuple(records)


def _runbooks(folder: Path, records: tuple[Record, ...], contents: _Contents) -> Runbook | None:
    """Each runbook as it was run; the last one for titles and phases."""
    last = None
    for name, sha256 in bundle.runbooks(records).items():
        last = None
        try:
            contents.files[name] = stored_path(folder, sha256).read_bytes()
        except (DrbookError, OSError):
            contents.lacks.append(f"{name}: the one that the record names is not there any more")
            continue
        with suppress(
            DrbookError
        ):  # an older drbook's may not load: the record alone tells the rest
            last = stored_runbook(folder, sha256)
    return last


def _artifacts(
    folder: Path, records: tuple[Record, ...], contents: _Contents, *, rows: bool
) -> None:
    """Those that the record names; another file in their folder was never evidence."""
    for name in bundle.artifacts(records, rows=rows):
        named = _ARTIFACT.fullmatch(name)
        path = folder / name
        try:
            if named is None or path.is_symlink() or packed(path).sha256 != named[1]:
                contents.lacks.append(f"{plain(name, 100)}: it is not what its name says")
                continue
        except OSError as error:
            contents.lacks.append(f"{name}: {error.strerror or error}")
            continue
        contents.files[name] = path


def _not_as_written(path: Path, problems: tuple[str, ...]) -> CouldNotVerify:
    return CouldNotVerify(
        f"{plain(str(path), 300)} was written and does not read as it should: "
        f"{plain('; '.join(problems) or 'its manifest is another one', 300)}.",
        means="It was removed again.",
        next="Look at the disk it lay on, and write it to another place.",
        code="bundle-check",
    )


def _not_written(path: Path, error: Exception) -> StepFailed:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StepFailed(
        f"The bundle {plain(str(path), 300)} cannot be written: {plain(why, 200)}.",
        means="None was left there.",
        next="Look at the disk, its free space and its permissions, and write it again.",
        code="bundle-write",
    )
