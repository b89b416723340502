"""`drbook drill`: what drills left behind, and its removal."""

import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from drbook.app.cleaning import TARGETS, Cleaned, Drill, clean, clean_nobodys, drills, nobodys
from drbook.app.places import find_incident, home
from drbook.app.recordless import recordless
from drbook.app.teardown import KEPT
from drbook.cli import output
from drbook.cli.output import print_json, print_table, say
from drbook.core.errors import DrbookError, ExitCode, UsageError
from drbook.core.leftovers import Leftover
from drbook.core.values import Json, counted, format_time, plain, show_size


@click.group("drill")
def command() -> None:
    """What drills leave behind."""


@command.command("clean")
@click.argument("incident", required=False)
@click.option("--all", "every", is_flag=True, help="Of all drills of this machine.")
@click.option("--dry-run", is_flag=True, help="List it, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def clean_command(
    incident: str | None, every: bool, dry_run: bool, yes: bool, as_json: bool
) -> int:
    """Take away what INCIDENT, or every drill of this machine, left behind: targets of a killed drbook, its
    processes, temporary folders, half-downloaded copies.

    Only what is proven to be that drill's own is removed, and its removal goes on record. A drill that is led
    just now is left alone, and so is what `--keep` kept, unless its INCIDENT is named. Without INCIDENT and
    --all it only lists. Exit codes: 0 nothing is left (but what `--keep` kept), 1 something could not be
    removed, 4 something is not proven to be a drill's own or its record cannot be read, 7 something is left
    until a person says so: it was only listed, nobody said yes, or somebody leads it.
    """
    if incident is not None and every:
        raise UsageError("Give an INCIDENT or --all, not both.", means="Nothing was removed.")
    only = _folder(incident) if incident is not None else None
    found = drills(home(), only, os.environ)
    strays = nobodys(home(), found) if only is None else []
    listing = dry_run or (only is None and not every)
    if listing or not _anything(found, strays):
        _print(found, strays, (), as_json=as_json)
        if listing and not as_json and _anything(found, strays):
            say("Nothing was removed. `drbook drill clean INCIDENT` or `--all` removes it.")
        return _left_code(found, _asked_for(found, strays, named=only is not None))
    asked = sys.stdin.isatty() and sys.stderr.isatty()
    if not yes and not (asked and _agreed(found, strays)):
        if as_json or not asked:  # whoever was asked has seen it
            _print(found, strays, (), as_json=as_json)
        say("Nothing was removed. Add --yes where nobody can be asked.")
        return int(ExitCode.NEEDS_HUMAN)
    done = _clean(found, strays, named=only is not None)
    _print(found, strays, done, as_json=as_json)
    return _code(found, strays, done)


def _folder(incident: str) -> Path:
    """Of one incident; also of one whose record is gone. Raises UsageError."""
    try:
        return find_incident(home(), incident)
    except UsageError:
        named = [one for one in recordless(home()) if incident in (one.name, str(one))]
        if not named:
            raise
        return named[0]


def _asked_for(
    found: Sequence[Drill], strays: Sequence[Leftover], *, named: bool
) -> list[Leftover]:
    """What is left, but for what was asked to stay."""
    left = [
        each
        for one in found
        for each in one.leftovers
        if named or not one.kept or each.kind not in TARGETS
    ]
    return [*left, *strays]


def _left_code(found: Sequence[Drill], left: Sequence[Leftover]) -> int:
    """Where nothing was removed."""
    if any(one.problem for one in found) or any(not one.proof for one in left):
        return int(ExitCode.REFUSED)
    waits = left or any(one.led for one in found)
    return int(ExitCode.NEEDS_HUMAN if waits else ExitCode.DONE)


def _anything(found: Sequence[Drill], strays: Sequence[Leftover]) -> bool:
    return bool(strays) or any(one.leftovers for one in found)


def _agreed(found: Sequence[Drill], strays: Sequence[Leftover]) -> bool:
    _tell(found, strays, (), err=True)
    return click.confirm("Remove what is proven to be these drills' own?", default=False, err=True)


def _clean(
    found: Sequence[Drill], strays: Sequence[Leftover], *, named: bool
) -> tuple[Cleaned, ...]:
    done = []
    for one in found:
        if not one.leftovers:
            continue
        try:
            done.append(clean(one, os.environ, say, kept_too=named))
        except DrbookError as error:
            say(f"{one.incident}: {error.explain()}")
            done.append(Cleaned(stayed=[_refused(each, error) for each in one.leftovers]))
    return (*done, clean_nobodys(strays))


def _refused(one: Leftover, error: DrbookError) -> Leftover:
    return Leftover(
        one.kind, one.name, one.place, one.incident, one.size, one.since, "", error.what, one.look
    )


def _code(found: Sequence[Drill], strays: Sequence[Leftover], done: Sequence[Cleaned]) -> int:
    listed = [each for one in found for each in one.leftovers] + list(strays)
    unproven = {each.place for each in listed if not each.proof}
    stayed = [each for one in done for each in one.stayed if each.reason != KEPT]
    if any(each.place not in unproven for each in stayed):
        return int(ExitCode.FAILED)
    return _left_code(found, stayed)


def _print(
    found: Sequence[Drill],
    strays: Sequence[Leftover],
    done: Sequence[Cleaned],
    *,
    as_json: bool,
) -> None:
    removed = [each for one in done for each in one.removed]
    stayed = [each for one in done for each in one.stayed]
    listed = [each for one in found for each in one.leftovers] + list(strays)
    if as_json:
        print_json(
            {
                "leftovers": [_document(one) for one in listed],
                "removed": [_document(one) for one in removed],
                "stayed": [_document(one) for one in stayed],
                "led": [{"incident": one.incident, "by": one.led} for one in found if one.led],
                "unread": [
                    {
                        "incident": one.incident,
                        "problem": one.problem,
                        "folder": str(one.folder),
                        "look": _look(one.folder),
                    }
                    for one in found
                    if one.problem
                ],
            }
        )
    else:
        _tell(found, strays, done)


def _tell(
    found: Sequence[Drill],
    strays: Sequence[Leftover],
    done: Sequence[Cleaned],
    *,
    err: bool = False,
) -> None:
    tell = partial(output.tell, err=err)
    for one in found:
        if one.led:
            tell(f"{one.incident} is led by {one.led}: left alone.")
        if one.problem:
            tell(
                f"{plain(one.incident, 120)}: its record cannot be read: {plain(one.problem, 300)}"
            )
            tell(f"         look at it: {plain(_look(one.folder), 400)}")
        if one.kept and one.leftovers:
            tell(f"{one.incident}: kept on purpose (--keep); name it to remove it.")
    if not done:
        beside = any(one.led or one.problem or one.kept for one in found)
        _print_listed(found, strays, "else " if beside else "", err=err)
        return
    removed = [each for one in done for each in one.removed]
    stayed = [each for one in done for each in one.stayed]
    for each in removed:
        tell(f"removed  {each.kind} {plain(each.place, 300)}")
    for each in stayed:
        tell(f"STAYS    {each.kind} {plain(each.place, 300)}: {plain(each.reason, 400)}")
        if each.look:
            tell(f"         look at it: {plain(each.look, 400)}")
    tell(f"{counted(len(removed), 'leftover')} removed, {len(stayed):,} left.")


def _look(folder: Path) -> str:
    return f"ls -la {shlex.quote(str(folder))}"


def _print_listed(
    found: Sequence[Drill], strays: Sequence[Leftover], besides: str, *, err: bool
) -> None:
    listed = [each for one in found for each in one.leftovers] + list(strays)
    if not listed:
        output.tell(f"Nothing {besides}that a drill left was found.", err=err)
        return
    now = datetime.now(UTC)
    print_table(
        ("incident", "kind", "size", "age", "place", "proof"),
        [
            (
                one.incident,
                one.kind,
                "" if one.size is None else show_size(one.size),
                "" if one.since is None else _age(now, one.since),
                one.place if one.kind != "process" else one.name,
                one.proof or f"NOT PROVEN: {one.reason}",
            )
            for one in listed
        ],
        (2,),
        err=err,
    )


def _age(now: datetime, since: datetime) -> str:
    hours = max(0, int((now - since).total_seconds() // 3600))
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"


def _document(one: Leftover) -> Json:
    return {
        "kind": one.kind,
        "name": one.name,
        "place": one.place,
        "incident": one.incident or None,
        "bytes": one.size,
        "since": format_time(one.since) if one.since is not None else None,
        "proof": one.proof or None,
        "reason": one.reason or None,
        "look": one.look or None,
    }
