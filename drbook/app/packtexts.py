"""The plain texts of a go-bag, for somebody who has nothing but a terminal, or paper."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from drbook import __version__
from drbook.core.gobag import Key
from drbook.core.runbook import Runbook
from drbook.core.values import plain, show_time
from drbook.providers.pgtools import PgTools
from drbook.providers.programs import Program
from drbook.timeline.packpage import Paper

WIDTH = 78
"""Columns: it may be read on a console without a window."""


def readme(
    paper: Paper, wheels: str, baseline: str, globals_: Sequence[str], lacks: Sequence[str]
) -> str:
    """What this is, and how to begin on a bare machine."""
    name = paper.runbook.title
    said = [
        f"GO-BAG: {plain(name, 60)}",
        f"Packed {show_time(paper.packed_at)} by drbook {__version__}.",
        "",
        *_wrapped(
            "You need this when everything else is gone. It holds what leads you through the recovery "
            "of the database. It holds no backup and no password: keys.txt says where those are."
        ),
        "",
        "WITHOUT A COMPUTER THAT RUNS PYTHON",
        *_wrapped("Print runbook.html, or read it: every step is there, with its commands."),
        "",
        "ON A BARE MACHINE, WITHOUT A NETWORK",
        *_install(wheels),
        "",
        "THEN",
        *_numbered(_then(baseline, globals_)),
        "",
        "WHAT IS IN HERE",
        *(
            f"  {file:14}{text}"
            for file, text in (
                ("runbook.html", "the whole runbook, to be printed"),
                ("runbook.yaml", "the same as drbook reads it"),
                ("contacts.txt", "whom to call, and how when single sign-on is down"),
                ("keys.txt", "where each key and password is kept"),
                ("tools.txt", "which programs were here when this was packed"),
                ("baseline.json", "known-good figures of production" if baseline else "(none)"),
                ("globals.sql", "roles, without their passwords" if globals_ else "(none)"),
                ("wheels/", f"drbook and all it needs, for {wheels}" if wheels else "(none)"),
                ("MANIFEST.json", "SHA-256 of each file"),
            )
        ),
        "",
        "WHAT IS MISSING",
        *_bullets(lacks or ["Nothing that should be in here could not be had."]),
    ]
    return _text(said)


def _install(wheels: str) -> list[str]:
    if not wheels:
        return _wrapped(
            "There are no wheels in here. Where there is a network: "
            f"pip install drbook=={__version__}. Else follow runbook.html by hand."
        )
    return [
        *_wrapped(f"You need {wheels}. Other versions of Python cannot use these wheels."),
        "  python3 -m venv drbook-venv",
        f"  drbook-venv/bin/pip install --no-index --find-links wheels drbook=={__version__}",
        "  drbook-venv/bin/drbook show runbook.yaml",
    ]


def _then(baseline: str, globals_: Sequence[str]) -> list[str]:
    steps = [
        "Call somebody (contacts.txt). Do not tidy up: what is left may be evidence.",
        "Fetch the keys (keys.txt) and set them as the runbook reads them. They are not in here.",
        "Install the programs that tools.txt marks as NEEDED, and PostgreSQL's own (initdb, "
        "pg_restore, psql) in production's major version. They are not in here.",
    ]
    if baseline:
        steps.append(
            "If the place of the baselines is gone too: copy baseline.json into the folder that "
            f"`baselines:` names, under the name {baseline}"
        )
    if globals_:
        steps.append(
            f"Point `globals:` of the restore step at {globals_[0]}, if its file is gone. Roles get "
            "new passwords: theirs are not in it."
        )
    return [*steps, "drbook-venv/bin/drbook run runbook.yaml"]


def keys(found: Sequence[Key], places: Sequence[tuple[str, str, str]]) -> str:
    """Places of secrets, never values."""
    said = [
        "WHERE KEYS ARE KEPT",
        *_wrapped("Places only. No value is in this go-bag."),
        "",
        "WHAT THE RUNBOOK READS, AND FROM WHERE",
    ]
    before = ""
    for key in found:
        said += [f"  {plain(key.what, 100)}"] if key.what != before else []
        said.append(f"    {plain(key.field, 60):20} {plain(key.reference, 1000)}")
        before = key.what
    said += [] if found else ["  nothing: the runbook refers to no secret"]
    said += [
        "",
        *_wrapped(
            "env:NAME is a variable that you set; file:PATH a file on this machine; cmd:… a program that "
            "is run; service:NAME a section of ~/.pg_service.conf (with ~/.pgpass); profile:NAME one of "
            "~/.aws/credentials."
        ),
        "",
        "CREDENTIALS, AND WHERE EACH IS KEPT",
    ]
    for name, kept, reads in places:
        said.append(f"  {plain(name, 100)}: {plain(kept, 1000)}")
        said += [f"    (its holder can read {plain(reads, 500)})"] if reads else []
    said += [] if places else ["  none is stated under `credentials:`"]
    return _text(said)


def contacts(runbook: Runbook, people: Sequence[str]) -> str:
    said = ["WHOM TO CALL", ""]
    for one in runbook.document.contacts:
        said.append(plain(one.name, 120))
        for name, text in (("role", one.role), ("phone", one.phone), ("reach", one.reach)):
            said += [f"  {name:7} {plain(text, 400)}"] if text else []
    if not runbook.document.contacts:
        said.append("The runbook states nobody. Add `contacts:` to it and pack again.")
    said += ["", *(plain(each, 300) for each in people)]
    for due in runbook.document.deadlines:
        hours = int(due.after.total_seconds() // 3600)
        said.append(f"{plain(due.name, 80)}: owed within {hours} h of the time it was {due.from_}.")
    return _text(said)


def tools(
    postgres: Sequence[PgTools], programs: Sequence[Program], needed: Mapping[str, Sequence[str]]
) -> str:
    """What was installed where this was packed, and what this runbook's sources need."""
    said = [
        f"drbook {__version__}",
        "",
        "PostgreSQL's programs, found where this was packed",
        *(f"  {plain(one.show(), 300)}" for one in postgres),
        *([] if postgres else ["  NONE. A cluster cannot be made without them."]),
        "",
        "Programs for backups",
    ]
    for one in programs:
        sources = needed.get(one.name)
        why = f"  NEEDED by {', '.join(sources)}" if sources else ""
        found = f"{one.version} ({one.path})" if one.path else "not installed here"
        said.append(f"  {one.name:21} {plain(found, 200)}{why}")
    return _text(said)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(plain(text, 1000), WIDTH, initial_indent="  ", subsequent_indent="  ")


def _bullets(texts: Iterable[str]) -> list[str]:
    return [
        line
        for text in texts
        for line in textwrap.wrap(
            plain(text, 600), WIDTH, initial_indent="  - ", subsequent_indent="    "
        )
    ]


def _numbered(texts: Sequence[str]) -> list[str]:
    return [
        line
        for number, text in enumerate(texts, 1)
        for line in textwrap.wrap(
            plain(text, 600),
            WIDTH,
            initial_indent=f"  {number}. ",
            subsequent_indent="     ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
