"""`drbook pack`: the go-bag, written and checked."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from drbook.app.pack import Done, Order, pack
from drbook.app.packrecord import look, now_of, remembered
from drbook.app.places import home
from drbook.app.shipped import open_runbook
from drbook.cli.output import print_json, say, tell
from drbook.core.errors import ExitCode, UsageError
from drbook.core.gobag import Looked, aged, changed
from drbook.core.values import counted, plain, show_size
from drbook.providers import gobag


@click.command("pack")
@click.argument("runbook", required=False)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The new FILE.zip, or a new folder."
)
@click.option(
    "--wheels",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Take the wheels from this folder.",
)
@click.option("--no-wheels", is_flag=True, help="Leave the wheels out.")
@click.option("--replace", is_flag=True, help="Put it in the place of an older go-bag.")
@click.option(
    "--check", type=click.Path(path_type=Path), help="Check this go-bag instead of writing one."
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(
    runbook: str | None,
    output: Path | None,
    wheels: Path | None,
    no_wheels: bool,
    replace: bool,
    check: Path | None,
    as_json: bool,
) -> int:
    """Write the go-bag of RUNBOOK: drbook's wheels, the runbook and its printable page, the newest baseline,
    and where the keys are kept. Keep it outside of production, single sign-on and git.

    With --check, say whether one is whole, how old it is, and what has changed since in RUNBOOK.

    Exit code 1 where something is lacking or not whole, 5 where it cannot be read, 0 where all is well.
    """
    if check is not None:
        if output is not None or wheels is not None or no_wheels or replace:
            raise UsageError("--check writes nothing.", next="Leave the other options out.")
        return _check(check, runbook, as_json)
    if runbook is None or output is None:
        raise UsageError(
            "A runbook and a place are needed.",
            next="Write: drbook pack RUNBOOK -o FILE.zip, or drbook pack --check FILE.zip.",
        )
    if wheels is not None and no_wheels:
        raise UsageError("--wheels and --no-wheels exclude each other.", next="Give one of them.")
    at = datetime.now(UTC).replace(microsecond=0)
    order = Order(
        open_runbook(runbook), output.absolute(), os.environ, at, wheels, no_wheels=no_wheels
    )
    if not no_wheels and wheels is None and not as_json:
        say("Getting wheels with pip; this may take minutes.")
    done = pack(order, home(), replace=replace)
    code = ExitCode.FAILED if done.manifest.lacks else ExitCode.DONE
    if as_json:
        print_json(
            {
                "path": str(done.path),
                "sha256": done.sha256,
                "warnings": list(done.warnings),
                "unrecorded": done.unrecorded,
                "manifest": done.manifest.model_dump(mode="json"),
                "exit_code": int(code),
            }
        )
    else:
        _print(done)
    return int(code)


def _print(done: Done) -> None:
    manifest = done.manifest
    for name, one in manifest.files.items():
        if not name.startswith("wheels/"):
            tell(f"{show_size(one.size):>10}  {name}")
    wheels = [one.size for name, one in manifest.files.items() if name.startswith("wheels/")]
    if wheels:
        tell(f"{show_size(sum(wheels)):>10}  wheels/ ({len(wheels)}, for {manifest.wheels})")
    tell(f"sha256  {done.sha256}")
    for said in manifest.remarks:
        say(f"remark: {said}")
    for said in manifest.lacks:
        say(f"LACKING: {said}")
    for said in done.warnings:
        say(f"WARNING: {said}.")
    if done.unrecorded:
        say(f"WARNING: not on record here: {done.unrecorded}.")
    say(
        f"Written and read again: {plain(str(done.path), 500)}. It holds no key; keys.txt says where they are."
    )


def _check(path: Path, runbook: str | None, as_json: bool) -> int:
    path = path.absolute()
    now = now_of(open_runbook(runbook) if runbook is not None else None, os.environ)
    looked = look(path)
    manifest = looked.manifest
    problems = [*looked.problems, *_recorded(path, looked)]
    since = changed(manifest, now) if manifest is not None else ()
    age = aged(manifest, now.at) if manifest is not None else ""
    code = ExitCode.FAILED if problems else ExitCode.DONE
    code = ExitCode.COULD_NOT_VERIFY if looked.unread else code
    if as_json:
        print_json(
            {
                "path": str(path),
                "whole": None if looked.unread else not problems,
                "unread": looked.unread,
                "problems": problems,
                "age": age,
                "changed": list(since),
                "compared": runbook is not None,
                "manifest": manifest.model_dump(mode="json") if manifest is not None else None,
                "exit_code": int(code),
            }
        )
        return int(code)
    for said in problems:
        tell(f"NOT WHOLE: {said}")
    if manifest is not None:
        tell(f"{manifest.runbook}: {age}")
        for said in manifest.lacks:
            tell(f"lacks {said}")
        for said in since:
            tell(f"changed: {said}")
        if runbook is None:
            say(
                "Whether the runbook or its baseline has changed since was not looked at: name RUNBOOK."
            )
    if looked.unread:
        say(f"Could not be checked: {looked.unread}.")
    elif problems:
        say(
            f"Not to be relied on: {counted(len(problems), 'thing')} not as packed. Pack a new one."
        )
    elif manifest is not None:
        say(f"Whole: all {len(manifest.files)} files are as its manifest says. It is not signed.")
    return int(code)


def _recorded(path: Path, looked: Looked) -> list[str]:
    """Where this machine wrote one there, whether it is that one: a manifest can be made anew."""
    if looked.unread or looked.manifest is None:
        return []
    own = [one for one in remembered(home())[0] if one.path == str(path)]
    newest = max(own, key=lambda one: one.at, default=None)
    if newest is None or newest.sha256 == gobag.whole_digest(path):
        return []
    return [
        "it is not the file that was written there from this machine: its SHA-256 is another one"
    ]
