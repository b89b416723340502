"""`drbook journal verify`: is the record what was written?"""

from pathlib import Path

import click

from drbook.app.places import JOURNAL, find_incident, home
from drbook.cli.output import print_json, say
from drbook.core.errors import ExitCode
from drbook.core.values import counted
from drbook.journal.reader import Verification, verify


@click.group("journal")
def command() -> None:
    """The record of an incident."""


@command.command("verify")
@click.argument("path", required=False)
@click.option("--head", help="A head printed earlier; finds lines that were cut off at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def verify_command(path: str | None, head: str | None, as_json: bool) -> int:
    """Check the chain of PATH: a journal file, an incident's folder or its id; absent: the newest.

    Exit code 0: whole. 1: changed, damaged or cut off. A torn last line, left by a crash, is said
    and does not count as tampering.
    """
    found = verify(_journal(path), head)
    if as_json:
        print_json(
            {
                "path": str(found.path),
                "intact": found.intact,
                "records": found.records,
                "head": found.head,
                "problem": found.problem,
                "torn_bytes": found.torn,
                "head_checked": head is not None,
                "records_after_head": found.after_head,
            }
        )
    else:
        _say(found, head)
    return int(ExitCode.DONE if found.intact else ExitCode.FAILED)


def _journal(given: str | None) -> Path:
    if given is not None and Path(given).is_file():
        return Path(given)
    return find_incident(home(), given) / JOURNAL


def _say(found: Verification, head: str | None) -> None:
    if found.intact:
        click.echo(f"{found.path}: whole, {counted(found.records, 'record')}, head {found.head}")
        if head is None:
            say(
                "The chain holds. Cut-off lines at its end show only against a head that was "
                "printed or stored elsewhere: give it with --head."
            )
        elif found.after_head:
            say(f"The given head is in the chain; {found.after_head} records follow it.")
    else:
        click.echo(f"{found.path}: NOT whole after {counted(found.records, 'good record')}")
        click.echo(found.problem)
    if found.torn:
        say(f"{found.torn} bytes of an unfinished last record: a crash; resume repairs it.")
