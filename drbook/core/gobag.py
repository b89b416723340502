"""The go-bag: what is packed for the night on which everything else is gone, and whether it still is any good.

Pure. What was read of one, and what is recorded of when it was written, in; answers with their reasons
out. A record says that one was *written then*; only one that was looked at *is there now*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Literal

from pydantic import Field

from drbook.core.audit import AHEAD
from drbook.core.copyset import Line
from drbook.core.points import Answer
from drbook.core.reach import leaked_credentials, same_name
from drbook.core.runbook import Runbook, RunbookDocument
from drbook.core.values import Frozen, UtcTime, plain, show_duration, show_time

MANIFEST = "MANIFEST.json"
RUNBOOK = "runbook.yaml"
MAX_AGE = timedelta(days=30)
"""From where on one is old, where the runbook says nothing."""
NAME = "go-bag"


class Packed(Frozen):
    """One file of a go-bag."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class Manifest(Frozen):
    """`MANIFEST.json`: what is in a go-bag, and of what it was made. It is not signed."""

    pack: Literal[1] = 1
    """The version of this document."""
    drbook: str
    packed_at: UtcTime
    runbook: str
    """The title."""
    runbook_sha256: str
    baseline: str = ""
    """The stored name of the baseline; empty without one."""
    wheels: str = ""
    """For which Python and platform there are wheels; empty without."""
    lacks: tuple[str, ...] = ()
    """What should have been in it and could not be had, each with its reason."""
    remarks: tuple[str, ...] = ()
    files: Mapping[str, Packed]
    """By name, every other file in it."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What reading one to its end showed."""

    manifest: Manifest | None = None
    """None where it has none that can be read."""
    problems: tuple[str, ...] = ()
    """Everything that is not as its manifest says."""
    unread: str = ""
    """Why it could not be looked at; empty where it was."""


@dataclass(frozen=True, slots=True)
class Now:
    """What a go-bag is held against."""

    at: datetime
    drbook: str
    runbook_sha256: str | None = None
    """None where nobody named the runbook."""
    baseline: str | None = None
    """The stored name of the newest baseline; None where it is not known, empty where there is none."""


def changed(manifest: Manifest, now: Now) -> tuple[str, ...]:
    """What is no longer as it was packed, in words."""
    found = []
    if now.runbook_sha256 is not None and now.runbook_sha256 != manifest.runbook_sha256:
        found.append(
            f"the runbook is another one now: {now.runbook_sha256[:12]}, packed was "
            f"{manifest.runbook_sha256[:12]}"
        )
    if now.baseline and now.baseline != manifest.baseline:
        held = (
            f"packed was {plain(manifest.baseline, 120)}"
            if manifest.baseline
            else "none was packed"
        )
        found.append(f"the newest baseline is {plain(now.baseline, 120)}; {held}")
    if now.drbook != manifest.drbook:
        found.append(f"drbook is {now.drbook} here; packed was {plain(manifest.drbook, 60)}")
    return tuple(found)


def in_days(span: timedelta) -> str:
    """`31 days`, or hours and minutes below two of them; nothing is less than none."""
    span = max(span, timedelta(0))
    return f"{span.days} days" if span >= timedelta(days=2) else show_duration(span)


def aged(manifest: Manifest, at: datetime) -> str:
    """How old it is, as it says itself."""
    age = at - manifest.packed_at
    if age < -AHEAD:
        return f"dated {show_duration(-age)} from now: its age is unknown"
    return f"{in_days(age)} old, packed at {show_time(manifest.packed_at)}"


# --- for the audit -----------------------------------------------------------------------------


class Written(Frozen):
    """A line of the record of when and where `drbook pack` wrote one."""

    at: UtcTime
    path: str
    sha256: str
    """Of the file as a whole; of a folder, of its manifest."""
    runbook_sha256: str
    title: str
    file: str
    """The runbook's file."""
    lacks: int = 0


@dataclass(frozen=True, slots=True)
class Bag:
    """What is known of a runbook's go-bag."""

    path: str = ""
    """Where it should lie, as the runbook or the record says; empty where neither says."""
    looked: Looked | None = None
    written: Written | None = None
    """The newest record of one of this runbook."""
    unread: str = ""
    """Why the record could not be read; empty where it was."""
    max_age: timedelta = MAX_AGE


def bag_line(bag: Bag, now: Now) -> Line:
    """Passed only where one was looked at, is whole, is young enough and holds this very runbook."""
    looked, written = bag.looked, bag.written
    where = plain(bag.path, 200)
    if looked is None or looked.unread:
        return _unseen(bag, now, f"{where}: {looked.unread}" if looked is not None else "")
    manifest = looked.manifest
    if manifest is None or looked.problems:
        return _line(Answer.FAIL, f"{where} is not whole: {'; '.join(looked.problems[:3])}")
    said = f"{where} is there and whole, {aged(manifest, now.at)}"
    age = now.at - manifest.packed_at
    if age < -AHEAD:
        return _line(Answer.UNKNOWN, said)
    if age > bag.max_age:
        return _line(Answer.FAIL, f"{said}; {in_days(bag.max_age)} at most: `drbook pack`")
    if now.runbook_sha256 != manifest.runbook_sha256:
        return _line(
            Answer.FAIL, f"{said}; but it holds another runbook than this one: `drbook pack`"
        )
    if manifest.lacks:
        return _line(Answer.FAIL, f"{said}; but it lacks: {'; '.join(manifest.lacks)}")
    if written is not None and written.at > manifest.packed_at:
        said += f"; a newer one was written to {plain(written.path, 200)}"
    return _line(Answer.PASS, said)


def _unseen(bag: Bag, now: Now, why: str) -> Line:
    """None could be looked at: the record alone never passes."""
    written = bag.written
    if written is None:
        if why or bag.unread:
            return _line(Answer.UNKNOWN, "; ".join(each for each in (why, bag.unread) if each))
        return _line(
            Answer.FAIL,
            "none is known of: the runbook states no `pack`, and none was written from here: `drbook pack`",
        )
    age = now.at - written.at
    then = f"one was written {in_days(age)} ago to {plain(written.path, 200)}"
    then += f"; whether it is still there nobody could see ({why})" if why else ""
    if age > bag.max_age:
        return _line(Answer.FAIL, f"{then}; {in_days(bag.max_age)} at most: `drbook pack`")
    if written.runbook_sha256 != now.runbook_sha256:
        return _line(Answer.FAIL, f"{then}; the runbook has changed since: `drbook pack`")
    return _line(Answer.UNKNOWN, then)


def _line(answer: Answer, reason: str) -> Line:
    return Line(name=NAME, answer=answer, reason=plain(reason, 600))


# --- where it is written -----------------------------------------------------------------------


def ill_placed(
    path: PurePath, document: RunbookDocument, *, work_tree: str, host: str, home: str
) -> tuple[str, ...]:
    """Why a go-bag should not lie there: absolute path, the git work tree around it (empty: none), this
    host's name and home folder. What the runbook names as a host or a vault is compared by its name."""
    found = []
    if work_tree:
        found.append(
            f"it lies in the git work tree {plain(work_tree, 200)}: whoever can push there can change it, "
            "and it is gone with the laptop"
        )
    volume = document.production.volume
    resource = document.production.domain.resource
    for place in (volume, resource if resource and resource.startswith("/") else None):
        if place and _inside(path, place, home):
            found.append(
                f"it lies on production's own volume {plain(place, 200)}, and is gone with it"
            )
            break
    for place, how in _readable(document):
        if same_name(place) == same_name(host):
            found.append(f"this host, {plain(host, 100)}, {how}")
        elif _inside(path, _as_path(place), home):
            found.append(f"{plain(place, 200)} {how}")
    return tuple(dict.fromkeys(found))


def _readable(document: RunbookDocument) -> Sequence[tuple[str, str]]:
    """Places that whoever leaked production's credentials can read, and why."""
    reach = leaked_credentials(document.production.domain, document.credentials)
    found = [
        (place, "can be read by whoever holds production")
        for place in document.production.domain.reads
    ]
    for name, stated in document.credentials.items():
        if same_name(name) in reach.leaked:
            shown = plain(name, 100)
            found += [(place, f"can be read with {shown}, if it leaks") for place in stated.reads]
            found += [
                (place, f"is where {shown} lies: who has found that finds this too")
                for place in stated.stored_in or ()
            ]
    return found


def _as_path(place: str) -> str:
    """The folder that a `file:` place lies in, or a path as it is; empty for a name."""
    if place.startswith("file:"):
        return str(PurePath(place[5:].partition("#")[0]).parent)
    return place if place.startswith(("/", "~/")) else ""


def _inside(path: PurePath, place: str, home: str) -> bool:
    if not place:
        return False
    real = PurePath(home, place[2:]) if place.startswith("~/") else PurePath(place)
    return real.is_absolute() and len(real.parts) > 1 and path.is_relative_to(real)


# --- locations of keys -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Key:
    """One secret that the runbook refers to: what for, and where. Its value is nowhere in it."""

    what: str
    """Who needs it: `backup offsite`, `production`, `step revoke`."""
    field: str
    reference: str


_REFERENCES = ("env:", "file:", "cmd:")
_PLACES = ("service", "profile", "keyfile", "config", "passfile")
"""Fields that name where a program finds its own secrets."""


def keys_of(runbook: Runbook) -> tuple[Key, ...]:
    """Every reference of the runbook in the order of its file; none is resolved."""
    document = runbook.document
    parts: list[tuple[str, object]] = [
        ("production", document.production.model_dump(mode="json", exclude_defaults=True))
    ]
    parts += [(f"backup {entry.get('id', '?')}", entry) for entry in document.backups]
    parts += [("baselines", document.baselines or {})]
    parts += [(f"mirror {number}", entry) for number, entry in enumerate(document.mirrors, 1)]
    parts += [(f"step {step.id}", step.with_) for step in document.steps]
    found = [key for what, part in parts for key in _keys_in(what, part, "")]
    return tuple(dict.fromkeys(found))


def _keys_in(what: str, value: object, field: str) -> list[Key]:
    if isinstance(value, Mapping):
        return [
            key
            for name, each in value.items()
            if name != "domain"
            for key in _keys_in(what, each, f"{field}.{name}" if field else str(name))
        ]
    if isinstance(value, list | tuple):
        return [key for each in value for key in _keys_in(what, each, field)]
    if not isinstance(value, str):
        return []
    if value.startswith(_REFERENCES):
        return [Key(what, field, value)]
    name = field.rpartition(".")[2]
    step = what.startswith("step ")
    return [Key(what, field, f"{name}:{value}")] if name in _PLACES and not step else []
