"""`drbook journal`: is the record what was written, and is it off this machine?"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from drbook.app.against import bring, held_against
from drbook.app.approvalcheck import check_approvals_of
from drbook.app.places import JOURNAL, find_incident, home, incident_of
from drbook.cli.bundle import approvals_document, check_bundle, is_bundle, say_approvals
from drbook.cli.output import print_json, say, tell
from drbook.core.approval import Checked
from drbook.core.errors import ExitCode, UsageError
from drbook.core.values import Json, counted, parse_duration, plain
from drbook.journal.reader import Verification, noted_head, verify
from drbook.mirror.compare import Comparison
from drbook.mirror.status import Standing


@click.group("journal")
def command() -> None:
    """The record of an incident."""


@command.command("verify")
@click.argument("path", required=False)
@click.option("--head", help="A head printed earlier; finds lines that were cut off at the end.")
@click.option(
    "--against",
    multiple=True,
    metavar="PLACE",
    help="A mirror: s3://BUCKET/PREFIX (credentials, region and endpoint by AWS's own environment "
    "variables and files) or a directory. May be given several times.",
)
@click.option("--mirrors", is_flag=True, help="Every mirror that the incident's own runbook names.")
@click.option(
    "--signers",
    type=click.Path(path_type=Path),
    metavar="ALLOWED_SIGNERS",
    help="For a bundle: who may sign it, in the format of ssh-keygen(1).",
)
@click.option("--identity", metavar="NAME", help="For a bundle: which of them has to be it.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def verify_command(
    path: str | None,
    head: str | None,
    against: tuple[str, ...],
    mirrors: bool,
    signers: Path | None,
    identity: str | None,
    as_json: bool,
) -> int:
    """Check the chain of PATH: a journal file, an incident's folder or its id; absent: the newest. Or a
    bundle, FILE.zip: every byte of it, its journal, and the signature beside it.

    The chain alone finds a line that was changed. Lines cut off at the end, or a chain that was
    written anew, show only against something kept elsewhere: a head, or a mirror.

    \b
    Exit code 0: whole, and the same as every mirror that was asked for.
    1: changed, damaged, cut off or another incident's, here or in a mirror; or a signature of an approval in
    it is none.
    4: a bundle is signed by nobody who is accepted, or not at all where a signer was asked for.
    5: a mirror cannot be read, is empty, or lacks the newest records (it is behind); or a signature
    could not be checked.

    A torn last line, left by a crash, is said and does not count as tampering.
    """
    head = noted_head(head, means="Nothing was looked at.") if head is not None else None
    if path is not None and is_bundle(path):
        if against or mirrors:
            raise UsageError(
                "A bundle is held against no mirror.",
                next="Give the incident, or --head and --signers.",
            )
        return check_bundle(Path(path), head, signers, identity, as_json=as_json)
    if signers is not None or identity is not None:
        raise UsageError(
            "Only a bundle is signed.", next="Name a FILE.zip that `drbook bundle` wrote."
        )
    journal = _journal(path)
    found = verify(journal, head, incident_of(journal.parent))
    approved = check_approvals_of(journal) if found.intact else Checked()
    compared = held_against(journal, against) if against else []
    compared += held_against(journal, ()) if mirrors else []
    if as_json:
        print_json(_document(found, head, compared, approved))
    else:
        for problem in approved.problems:
            tell(f"NOT AS IT SAYS: {problem}")
        _say(found, head, bool(compared))
        say_approvals(approved)
        for one in compared:
            _say_compared(one)
    return int(_worst(found, compared, approved))


def _document(
    found: Verification, head: str | None, compared: Sequence[Comparison], approved: Checked
) -> Json:
    return {
        "path": str(found.path),
        "incident": found.incident,
        "intact": found.intact,
        "records": found.records,
        "head": found.head,
        "problem": found.problem,
        "torn_bytes": found.torn,
        "head_checked": head is not None,
        "records_after_head": found.after_head,
        "approvals": approvals_document(approved),
        "mirrors": [
            {
                "where": one.where,
                "verdict": one.verdict.value,
                "agreed": one.agreed,
                "problem": one.problem,
                "remarks": list(one.remarks),
            }
            for one in compared
        ],
    }


def _worst(found: Verification, compared: Sequence[Comparison], approved: Checked) -> ExitCode:
    codes = {one.code for one in compared}
    if not found.intact or approved.problems or ExitCode.FAILED in codes:
        return ExitCode.FAILED
    unknown = bool(approved.unchecked) or ExitCode.COULD_NOT_VERIFY in codes
    return ExitCode.COULD_NOT_VERIFY if unknown else ExitCode.DONE


@command.command("mirror")
@click.argument("incident", required=False)
@click.option(
    "--wait", default="10m", show_default=True, help="How long to try, with a unit, like 90s."
)
def mirror_command(incident: str | None, wait: str) -> int:
    """Bring the mirrors of INCIDENT's runbook up to date, also when it is closed.

    While an incident is led, its mirrors follow by themselves. This is for what they lacked when it
    ended. Exit code 5 where a mirror still lacks records.
    """
    try:
        seconds = parse_duration(wait).total_seconds()
    except ValueError as error:
        raise UsageError(f"--wait: {error}.") from None
    lacking = False
    for state in bring(find_incident(home(), incident), seconds):
        click.echo(state.long(datetime.now(UTC)))
        lacking = lacking or state.behind > 0 or state.standing is not Standing.COPYING
    return int(ExitCode.COULD_NOT_VERIFY if lacking else ExitCode.DONE)


def _journal(given: str | None) -> Path:
    if given is not None and Path(given).is_file():
        return Path(given)
    return find_incident(home(), given) / JOURNAL


def _say(found: Verification, head: str | None, mirrored: bool) -> None:
    if found.intact:
        tell(f"{found.path}: whole, {counted(found.records, 'record')}, head {found.head}")
        if not incident_of(found.path.parent):
            say(f"It is the record of incident {plain(found.incident, 100)}.")
        if head is None and not mirrored:
            say(
                "The chain holds. Cut-off lines at its end show only against a head that was "
                "printed or stored elsewhere (--head), or against a mirror (--mirrors, --against)."
            )
        elif head is not None and found.after_head:
            say(f"The given head is in the chain; {found.after_head} records follow it.")
    else:
        tell(f"{found.path}: NOT whole after {counted(found.records, 'good record')}")
        tell(found.problem)
    if found.torn:
        say(f"{found.torn} bytes of an unfinished last record: a crash; resume repairs it.")


def _say_compared(one: Comparison) -> None:
    tell(f"{one.where}: {one.verdict.value}. {one.problem}")
    for remark in one.remarks:
        tell(f"  {remark}")
