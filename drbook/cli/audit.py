"""`drbook audit`: is a runbook ready, and which credentials here would destroy everything?"""

import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from drbook.app.audit import Order, audit
from drbook.app.exports import write_new
from drbook.app.inspect import Inspection, policy
from drbook.app.locks import Planned, plans, prove_all
from drbook.app.places import home
from drbook.app.shipped import open_runbook
from drbook.cli.output import print_json, say, tell
from drbook.cli.progress import Teller
from drbook.cli.settings import read_settings
from drbook.core.auditreport import Report
from drbook.core.credentials import Exposed, Might
from drbook.core.errors import Aborted, ExitCode, UsageError
from drbook.core.points import Answer, Basis
from drbook.core.values import counted, plain, show_time
from drbook.providers.hiding import scrub
from drbook.timeline.auditpage import page

WIDTH = 80
"""Columns of a line."""


@click.command("audit")
@click.argument("runbook")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Give an input.")
@click.option(
    "--quick", is_flag=True, help="Look at sizes and first bytes only; download nothing whole."
)
@click.option(
    "--ask",
    is_flag=True,
    help="Ask servers, stores, AWS and Railway what the found credentials may do; read-only.",
)
@click.option(
    "--open-sample",
    is_flag=True,
    help="Open each source with its own key, and decrypt a little of what it holds.",
)
@click.option(
    "--prove-locks",
    is_flag=True,
    help="Write a tiny object of drbook's own into each locked bucket, and try to delete it.",
)
@click.option("--yes", is_flag=True, help="Write those objects without being asked once more.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write it to a new HTML page."
)
def command(
    runbook: str,
    paths: tuple[Path, ...],
    settings: tuple[str, ...],
    quick: bool,
    ask: bool,
    open_sample: bool,
    prove_locks: bool,
    yes: bool,
    as_json: bool,
    output: Path | None,
) -> int:
    """Say whether RUNBOOK is ready: its copies by 3-2-1-1-0 and by age, its baseline, and which
    credentials this machine can read, also below PATHS.

    No value is shown, only fingerprints; nothing found is tried, but for the runbook's own keys with
    --open-sample. Exit code 1 where a line fails or one
    credential or place destroys production and every copy that looks independent, 5 where something
    could not be told, 0 where all is well.
    """
    if output is not None and (output.suffix.lower() not in (".html", ".htm") or output.exists()):
        why = "it exists already" if output.exists() else "its name does not end in .html"
        raise UsageError(
            f"{plain(str(output), 200)} cannot be written: {why}.", next="Give another name."
        )
    loaded = open_runbook(runbook)
    planned = plans(loaded, os.environ) if prove_locks else []
    if planned:
        _agree(planned, yes=yes)
    proofs = prove_all(planned, home(), os.environ)
    teller = Teller()
    inspection = Inspection(loaded, read_settings(loaded, settings), os.environ, teller)
    note = policy(loaded)[1]
    if note:
        say(note)
    idle = [plan for _, plan in planned if plan.unknown]
    order = Order(
        loaded,
        dict(os.environ),
        home(),
        Path.cwd(),
        paths,
        ask=ask,
        open_sample=open_sample,
        tried=proofs,
        not_tried=idle,
    )
    report = audit(order, inspection, full=not quick)
    teller.clear()
    if as_json:
        print_json(report.model_dump(mode="json") | {"exit_code": int(report.exit_code)})
    else:
        _print(report)
    if output is not None:
        write_new(output, scrub(page(report)))
        say(f"Written: {output}")
    return int(report.exit_code)


def may_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _agree(planned: Sequence[Planned], *, yes: bool) -> None:
    """Say what will be written, and ask once more. Raises UsageError where nobody can be asked, Aborted
    where the answer is no."""
    wanted = [plan for _, plan in planned if not plan.why]
    for _, plan in planned:
        if plan.why and not plan.unknown:
            say(f"Not tried: {plan.place.name}, {plan.place.location}: {plan.why}.")
    if not wanted:
        return
    say("To prove the locks, this will be written, and then tried to be deleted and shortened:")
    for plan in wanted:
        _hang("  ", plan.show(), err=True)
    if yes:
        return
    if not may_ask():
        raise UsageError(
            "--prove-locks writes into these buckets, and nobody is here to be asked.",
            means="Nothing was written.",
            next="Give --yes where that is meant.",
            code="prove-locks-yes",
        )
    if not click.confirm("Write them?", default=False, err=True):
        raise Aborted("No lock was tried.", means="Nothing was written.")


def _print_locks(report: Report) -> None:
    for proof in report.locks:
        click.echo("")
        _hang("LOCK TRIED  ", f"{proof.place.location}, {proof.key}")
        for each in proof.attempts:
            _hang(f"  {each.outcome.value.upper():8} {each.name:10} ", each.said)
        _hang("  ", proof.why or proof.left)
    if report.locks:
        click.echo("")


def _print(report: Report) -> None:
    _print_kills(report)
    click.echo("COPIES")
    for line in report.copies:
        _hang(f"{line.answer.value.upper():8} {line.name:19} ", line.reason)
    _print_locks(report)
    if report.samples is not None:
        click.echo("\nKEYS, TRIED ON A SAMPLE")
        for one in report.samples:
            _hang(f"{one.answer.value.upper():8} {one.source:19} ", one.reason)
    click.echo("")
    click.echo(
        f"CREDENTIALS  {len(report.credentials)} in {counted(len(report.files), 'file')} "
        "and the environment"
    )
    if report.asked is not None:
        _hang(
            "  the runbook's login to production: ",
            f"{report.asked.might.value}, {report.asked.reason}",
        )
    for each in report.credentials:
        _print_one(each)
    if report.unstated:
        click.echo("\nNOT IN THE RUNBOOK'S stored_in")
        for said in report.unstated:
            _hang("  ", said)
    if report.left_out:
        click.echo("\nNOT READ")
        for said in report.left_out:
            _hang("  ", said)
    say(_conclusion(report))


def _print_kills(report: Report) -> None:
    for kill in report.kills:
        where = f"{kill.where}; {', '.join(kill.fingerprints)}"
        things = ", ".join(kill.things)
        _hang("!! ", f"ONE LOSS TAKES ALL: {kill.what} ({where}) can destroy {things}")
        for reason in kill.reasons:
            _hang("     ", reason)
        click.echo("")


def _print_one(one: Exposed) -> None:
    found = one.found
    name = f" {found.name}" if found.name else ""
    is_ = f" = {', '.join(one.is_)}" if one.is_ else ""
    _hang(f"  {found.fingerprint}  ", f"{found.kind}{name}{is_}")
    _hang("            ", f"{found.where}, readable by {found.readers}")
    if found.scope:
        _hang("            ", found.scope)
    by_reason: dict[tuple[Might, str], list[str]] = {}
    for power in one.powers:
        declared = " (declared)" if power.basis is Basis.DECLARED else ""
        by_reason.setdefault((power.might, power.reason + declared), []).append(power.thing)
    for (might, reason), things in by_reason.items():
        _hang(f"            {might.value.upper():8}  ", f"{', '.join(things)}: {reason}")


def _hang(before: str, text: str, *, err: bool = False) -> None:
    """A paragraph of at most WIDTH columns whose further lines stand under the first one's text."""
    shown = plain(scrub(text), 1000)
    lines = textwrap.wrap(shown, WIDTH - len(before), break_on_hyphens=False) or [""]
    put = say if err else tell
    put(before + lines[0])
    for line in lines[1:]:
        put(" " * len(before) + line)


def _conclusion(report: Report) -> str:
    when = show_time(report.at)
    if report.exit_code is ExitCode.DONE:
        return f"Ready at {when}: every line passes, and no credential here takes all."
    failed = [line.name for line in report.copies if line.answer is Answer.FAIL]
    failed += [
        f"the key of {one.source}" for one in report.samples or () if one.answer is Answer.FAIL
    ]
    words = (
        [
            f"{counted(len(report.kills), 'credential or place', 'credentials or places')} can "
            "destroy production and its copies"
        ]
        if report.kills
        else []
    )
    words += [f"failed: {', '.join(failed)}"] if failed else []
    words += (
        [f"{counted(len(report.unknown), 'thing')} could not be told"] if report.unknown else []
    )
    return f"Not ready at {when}: " + "; ".join(words) + "."
