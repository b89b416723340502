"""Packing a go-bag: what one needs when everything else is gone, gathered without touching any of it.

Production and backup sources are not asked. What cannot be had is said, and does not lose the rest. No
value of a secret goes in: texts are masked, and what goes in as it is is looked through first.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from drbook import __version__
from drbook.app import packtexts
from drbook.app.inspect import baselines
from drbook.app.packpaper import paper_of
from drbook.app.packrecord import remember
from drbook.app.places import Home
from drbook.core.errors import CouldNotVerify, DrbookError, Refused
from drbook.core.gobag import MANIFEST, RUNBOOK, Manifest, Written, ill_placed
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.language.compile import has_expression
from drbook.providers import gobag, programs, secrets, wheels
from drbook.providers.globalsfile import without_secrets
from drbook.providers.hiding import KNOWN, scrub
from drbook.providers.pgtools import find_tools
from drbook.providers.scratch import Scratch
from drbook.timeline.packpage import page

NO_WHEELS = "no wheels were wished for (--no-wheels)"


@dataclass(frozen=True, slots=True)
class Order:
    """What is packed, and where to."""

    runbook: Runbook
    path: Path
    """Absolute."""
    environment: Mapping[str, str]
    at: datetime
    wheels: Path | None = None
    """A folder of prepared ones; None: pip gets them."""
    no_wheels: bool = False


@dataclass(slots=True)
class _Contents:
    """What has been gathered so far."""

    files: dict[str, gobag.Content] = field(default_factory=dict)
    lacks: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    baseline: str = ""
    globals_: list[str] = field(default_factory=list)
    wheels: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """A go-bag that was written, and read again."""

    path: Path
    manifest: Manifest
    sha256: str
    warnings: tuple[str, ...]
    """What speaks against the place that it lies in."""
    unrecorded: str = ""
    """Why it is not on record here; empty where it is."""


def pack(order: Order, home: Home, *, replace: bool) -> Done:
    """Raises UsageError for the place, Refused where the runbook holds a secret, StepFailed where it cannot be
    written, CouldNotVerify where what was written does not read as it should."""
    gobag.may_write(order.path, replace=replace)
    _know(order)
    with Scratch("pack") as scratch:
        manifest = _gathered(order, Path(scratch))
    looked = gobag.look(order.path)
    if looked.manifest != manifest or looked.problems or looked.unread:
        raise CouldNotVerify(
            f"{plain(str(order.path), 300)} was written and does not read as it was packed: "
            f"{plain('; '.join(looked.problems) or looked.unread, 300)}.",
            means="It must not be relied on.",
            next="Look at the disk it lies on, remove it, and pack again to another place.",
            code="pack-check",
        )
    sha256 = gobag.whole_digest(order.path)
    written = Written(
        at=order.at,
        path=str(order.path),
        sha256=sha256,
        runbook_sha256=order.runbook.sha256,
        title=order.runbook.title,
        file=str(Path(order.runbook.file).absolute()),
        lacks=len(manifest.lacks),
    )
    return Done(order.path, manifest, sha256, warnings(order), remember(home, written))


def warnings(order: Order) -> tuple[str, ...]:
    """What speaks against the place. Links are followed: what counts is where it really lies."""
    real = Path(os.path.realpath(order.path.parent)) / order.path.name
    tree = next((one for one in real.parents if (one / ".git").exists()), None)
    return ill_placed(
        real,
        order.runbook.document,
        work_tree=str(tree) if tree else "",
        host=socket.gethostname(),
        home=str(Path("~").expanduser()),
    )


def _know(order: Order) -> None:
    """Make known what the runbook refers to, so that it can be looked for. A `cmd:` is not run."""
    text = order.runbook.source.decode("utf-8", "replace")
    secrets.know(text, order.environment)
    references = {key.reference for key in paper_of(order.runbook, order.at).keys}
    for reference in sorted(references):
        if reference.startswith(("env:", "file:")):
            try:
                secrets.resolve(reference, order.environment)
            except DrbookError:
                continue  # what is not here cannot get into it from here
    if KNOWN.holds(text):
        raise Refused(
            "The runbook holds the value of a secret that it refers to.",
            means="Nothing was packed: a go-bag is kept where others may find it.",
            next="Write the reference in its place (env:NAME, file:PATH), and renew that secret.",
            code="pack-secret",
        )


def _gathered(order: Order, scratch: Path) -> Manifest:
    """Gather, and write."""
    contents = _Contents()
    _baseline(order, contents)
    _globals(order, contents)
    _wheels(order, contents, scratch)
    _texts(order, contents)
    contents.files[RUNBOOK] = order.runbook.source
    try:
        files = {name: gobag.packed(content) for name, content in contents.files.items()}
    except OSError as error:
        raise CouldNotVerify(
            f"What is to be packed cannot be read: {error.strerror or error}.",
            means="Nothing was packed.",
            next="Look at the folder of the wheels, and pack again.",
            code="pack-read",
        ) from None
    manifest = Manifest(
        drbook=__version__,
        packed_at=order.at,
        runbook=scrub(order.runbook.title),
        runbook_sha256=order.runbook.sha256,
        baseline=contents.baseline,
        wheels=contents.wheels,
        lacks=tuple(scrub(each) for each in contents.lacks),
        remarks=tuple(scrub(each) for each in contents.remarks),
        files=dict(sorted(files.items())),
    )
    document = manifest.model_dump_json(indent=2) + "\n"
    gobag.write(order.path, contents.files | {MANIFEST: document.encode()}, order.at)
    return manifest


def _baseline(order: Order, contents: _Contents) -> None:
    if order.runbook.baseline_store is None:
        contents.remarks.append("no baseline: the runbook has no `baselines:`")
        return
    try:
        store = baselines(order.runbook, order.environment)
        listed = store.listed()
        if not listed:
            contents.lacks.append("a baseline: none was captured yet (`drbook baseline capture`)")
            return
        name = listed[0][0]
        document = store.load(name).sealed()
    except DrbookError as error:
        contents.lacks.append(f"the newest baseline: {error.what}")
        return
    if _must_not(contents, "baseline.json", document):
        return
    contents.files["baseline.json"], contents.baseline = document, name


def _globals(order: Order, contents: _Contents) -> None:
    named = [step.step.with_.get("globals") for step in order.runbook.steps]
    paths = [each for each in named if isinstance(each, str) and each and not has_expression(each)]
    for number, path in enumerate(dict.fromkeys(paths), 1):
        name = "globals.sql" if number == 1 else f"globals-{number}.sql"
        try:
            text, left = without_secrets(Path(path).expanduser())
        except DrbookError as error:
            contents.lacks.append(f"the globals: {error.what}")
            continue
        if _must_not(contents, name, text):
            continue
        contents.files[name] = text
        contents.globals_.append(name)
        contents.remarks.append(
            f"{name} is {plain(path, 200)} without its passwords: {left} statements were changed or left out"
        )
    if not paths:
        contents.remarks.append("no globals: no step names a file of them")


def _wheels(order: Order, contents: _Contents, scratch: Path) -> None:
    if order.no_wheels:
        contents.remarks.append(NO_WHEELS)
        return
    try:
        if order.wheels is not None:
            found = wheels.taken(order.wheels, order.environment)
        else:
            folder = scratch / "wheels"
            folder.mkdir()
            found = wheels.gathered(folder, order.environment)
    except DrbookError as error:
        contents.lacks.append(f"wheels: {error.what}")
        return
    except OSError as error:
        contents.lacks.append(f"wheels: {error.strerror or error}")
        return
    contents.files |= {f"wheels/{path.name}": path for path in found}
    contents.wheels = wheels.platform()
    if others := wheels.plug_ins():
        contents.remarks.append(
            f"no wheels of the plug-ins {', '.join(others)}: what the runbook has of them will not load"
        )


def _texts(order: Order, contents: _Contents) -> None:
    paper = paper_of(order.runbook, order.at)
    found = {
        "runbook.html": page(paper),
        "keys.txt": packtexts.keys(paper.keys, paper.places),
        "contacts.txt": packtexts.contacts(order.runbook, paper.people),
        "tools.txt": _tools(order, contents),
    }
    if not order.runbook.document.contacts:
        contents.remarks.append("no contacts: the runbook has no `contacts:`")
    unstated = [name for name, kept, _ in paper.places if kept == "NOT STATED"]
    if unstated:
        contents.remarks.append(f"where {', '.join(unstated)} is kept, the runbook does not state")
    found["README.txt"] = packtexts.readme(
        paper, contents.wheels, contents.baseline, contents.globals_, contents.lacks
    )
    for name, text in found.items():
        contents.files[name] = scrub(text).encode("utf-8", "backslashreplace")


def _tools(order: Order, contents: _Contents) -> str:
    try:
        postgres = find_tools(order.environment)
    except DrbookError as error:
        contents.lacks.append(f"PostgreSQL's programs: {error.what}")
        postgres = ()
    needed = programs.needed(order.runbook.sources)
    found = [programs.look(name) for name in programs.ASKED]
    for one in found:
        if one.name in needed and not one.path:
            contents.remarks.append(
                f"{one.name}, which {', '.join(needed[one.name])} needs, is not installed here"
            )
    return packtexts.tools(postgres, found, needed)


def _must_not(contents: _Contents, name: str, document: bytes) -> bool:
    """Whether a file that would go in as it is holds a secret's value; it then stays out."""
    if not KNOWN.holds(document.decode("utf-8", "replace")):
        return False
    contents.lacks.append(f"{name}: it holds the value of a secret of this runbook")
    return True
