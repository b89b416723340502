"""`drbook baseline`: known-good figures, stored away from production."""

import os

import click

from drbook.app.inspect import Inspection, baselines
from drbook.app.shipped import open_runbook
from drbook.cli.backups import CODES
from drbook.cli.output import print_json, print_table, say
from drbook.cli.progress import Teller
from drbook.cli.settings import read_settings
from drbook.core.baseline import Baseline
from drbook.core.comparison import TableVerdict
from drbook.core.errors import ExitCode
from drbook.core.freshness import of_this_production
from drbook.core.results import VerifyResult
from drbook.core.values import counted, format_time, plain, show_time


@click.group("baseline")
def command() -> None:
    """Capture, show or compare the figures that production is held against."""


@command.command("capture")
@click.argument("runbook")
@click.option("--content", is_flag=True, help="Also hash every table's rows (reads all of them).")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def capture(runbook: str, content: bool, as_json: bool) -> int:
    """Count production in one read-only snapshot and store the figures with its identity."""
    teller = Teller()
    inspection = Inspection(open_runbook(runbook), {}, os.environ, teller)
    name, baseline, where = inspection.capture(content=content)
    teller.clear()
    unknown = [count for count in baseline.counts.tables if count.rows is None]
    if as_json:
        print_json(
            {
                "id": name,
                "kept": where,
                "identifies_production": not _doubt(baseline),
                "baseline": baseline.model_dump(mode="json"),
            }
        )
    else:
        _print(baseline)
        click.echo(f"\nbaseline {name}")
    say(f"Stored in {where}.")
    if doubt := _doubt(baseline):
        say(doubt)
    if unknown:
        say(
            f"{counted(len(unknown), 'table')} could not be counted; nothing can be said of them later."
        )
        return int(ExitCode.COULD_NOT_VERIFY)
    return int(ExitCode.DONE)


@command.command("show")
@click.argument("runbook")
@click.option("--id", "name", help="Which one; absent: the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(runbook: str, name: str | None, as_json: bool) -> int:
    """List the stored baselines and show one."""
    store = baselines(open_runbook(runbook), os.environ)
    listed = store.listed()
    if not listed:
        say(f"There is no baseline in {store.location()}.")
        say("What to do: capture one in calm times with `drbook baseline capture`.")
        return int(ExitCode.COULD_NOT_VERIFY)
    chosen = name or listed[0][0]
    baseline = store.load(chosen)
    if as_json:
        print_json(
            {
                "kept": store.location(),
                "listed": [{"id": each, "captured_at": format_time(at)} for each, at in listed],
                "id": chosen,
                "baseline": baseline.model_dump(mode="json"),
            }
        )
        return int(ExitCode.DONE)
    click.echo(f"{counted(len(listed), 'baseline')} in {store.location()}")
    for each, at in listed[:20]:
        click.echo(f"  {'->' if each == chosen else '  '} {each}  captured {show_time(at)}")
    click.echo("")
    _print(baseline)
    return int(ExitCode.DONE)


@command.command("compare")
@click.argument("runbook")
@click.option("--baseline", "name", default="newest", show_default=True, help="Which one.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Give an input.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def compare(runbook: str, name: str, settings: tuple[str, ...], as_json: bool) -> int:
    """Count production now and say what it lost against a baseline. Exit code 1 for a loss."""
    teller = Teller()
    inspection = Inspection(open_runbook(runbook), read_settings(settings), os.environ, teller)
    finished = inspection.compare(name)
    teller.clear()
    result = finished.result
    assert isinstance(result, VerifyResult)
    lost = result.comparison.verdict is TableVerdict.FAIL
    if as_json:
        print_json({"reason": finished.reason, "result": result.model_dump(mode="json")})
    else:
        rows = [
            (row.table, _number(row.before), _number(row.restored), row.verdict.value, row.reason)
            for row in result.comparison.tables
        ]
        print_table(("table", "baseline", "now", "verdict", "why"), rows, right=(1, 2))
    say(finished.reason)
    return int(ExitCode.FAILED if lost else CODES[finished.state])


def _print(baseline: Baseline) -> None:
    counts = baseline.counts
    identity = counts.identity
    click.echo(f"captured           {show_time(baseline.captured_at)}")
    click.echo(f"system identifier  {plain(identity.system_identifier, 40)}")
    click.echo(f"database           {plain(identity.database, 100)} ({identity.database_oid})")
    click.echo(f"reached as         {plain(identity.dialled, 200) or 'unknown'}")
    click.echo(f"declared to be     {plain(identity.resource, 200) or 'nothing'}")
    click.echo(f"server             {identity.server_version // 10000}\n")
    rows = [
        (
            count.table,
            _number(count.rows),
            show_time(count.newest) if count.newest else "",
            count.why_unknown,
        )
        for count in counts.tables
    ]
    print_table(("table", "rows", "newest", ""), rows, right=(1,))


def _doubt(baseline: Baseline) -> str:
    """Why it proves of no server that it is not production; empty where it can."""
    identity = baseline.counts.identity
    if of_this_production(identity, identity.dialled, identity.resource):
        return ""
    return (
        "It does not identify production: it was reached through a socket or this host's own address, "
        "as others may be, and the runbook names no `production.domain.resource`. While production "
        "does not answer, a given server is refused as a target."
    )


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"
