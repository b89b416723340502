"""`drbook baseline`: known-good figures, stored away from production."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from drbook.actions.baselines import LOOKED_AT
from drbook.app.capture import Captured, CaptureOrder
from drbook.app.inspect import Inspection, baselines
from drbook.app.shipped import open_runbook
from drbook.cli.backups import CODES
from drbook.cli.output import print_json, print_table, say
from drbook.cli.progress import Teller
from drbook.cli.settings import read_settings
from drbook.core.baseline import Baseline
from drbook.core.capture import Pace
from drbook.core.comparison import TableVerdict
from drbook.core.errors import CouldNotVerify, ExitCode, UsageError
from drbook.core.freshness import of_this_production
from drbook.core.ports import Baselines
from drbook.core.results import VerifyResult
from drbook.core.values import counted, format_time, parse_duration, plain, show_size, show_time


@click.group("baseline")
def command() -> None:
    """Capture, show or compare the figures that production is held against."""


@command.command("capture")
@click.argument("runbook")
@click.option("--content", is_flag=True, help="Also hash every table's rows (reads all of them).")
@click.option(
    "--jobs",
    type=click.IntRange(1, 32),
    default=2,
    show_default=True,
    help="Connections that count at the same time, in one snapshot.",
)
@click.option(
    "--max-load",
    type=click.IntRange(0),
    metavar="N",
    help="Before each table, wait while more than N other sessions are active.",
)
@click.option(
    "--max-wait",
    default="15m",
    show_default=True,
    help="How long to wait for that, all in all, before giving up.",
)
@click.option(
    "--statement-timeout",
    default="2h",
    show_default=True,
    help="For one table; one that takes longer is unknown.",
)
@click.option(
    "--max-drop",
    type=click.IntRange(0, 100),
    default=5,
    show_default=True,
    metavar="PERCENT",
    help="A larger drop in a table makes the capture suspect.",
)
@click.option("--accept", default="", metavar="REASON", help="Store it as good, and why it is.")
@click.option(
    "--run",
    "run_",
    metavar="COMMAND",
    help="Dump the counted snapshot: 'pg_dump -Fc --snapshot={snapshot} -f {output} {connect}'.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the dump goes, with FILE.manifest.json beside it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def capture(
    runbook: str,
    content: bool,
    jobs: int,
    max_load: int | None,
    max_wait: str,
    statement_timeout: str,
    max_drop: int,
    accept: str,
    run_: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Count production in one read-only snapshot and store the figures with its identity.

    A capture that lost rows against the newest good one is kept apart as suspect: exit code 1.
    """
    pace = Pace(
        jobs=jobs,
        statement_timeout=_duration("--statement-timeout", statement_timeout),
        max_load=max_load,
        max_wait=_duration("--max-wait", max_wait),
    )
    order = CaptureOrder(content, pace, _dump(run_, output), max_drop, accept.strip())
    teller = Teller()
    inspection = Inspection(open_runbook(runbook), {}, os.environ, teller)
    captured = inspection.capture(order)
    teller.clear()
    if as_json:
        print_json(
            {
                "id": captured.id,
                "kept": captured.location,
                "suspect": captured.suspect,
                "identifies_production": not _doubt(captured.baseline),
                "baseline": captured.baseline.model_dump(mode="json"),
                "dump": None
                if captured.manifest is None
                else captured.manifest.model_dump(mode="json", exclude={"counts"}),
            }
        )
    else:
        _print(captured.baseline)
        click.echo(f"\nbaseline {captured.id}")
    return _said(captured, output)


def _duration(option: str, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}.") from None


def _dump(command: str | None, output: Path | None) -> tuple[str, Path] | None:
    if command is None and output is None:
        return None
    if command is None or output is None:
        raise UsageError(
            "`--run` and `--output` belong together: a command, and the file that it makes.",
            means="Nothing was captured.",
        )
    return command, output


def _said(captured: Captured, output: Path | None) -> int:
    """What else is to be known of it, on standard error; returns the exit code."""
    baseline = captured.baseline
    say(f"Stored in {captured.location}.")
    if captured.manifest is not None and output is not None:
        size = show_size(captured.manifest.size)
        say(f"Dumped the same snapshot to {plain(str(output), 300)} ({size}), manifest beside it.")
    if doubt := _doubt(baseline):
        say(doubt)
    unknown = [count for count in baseline.counts.tables if count.rows is None]
    if unknown:
        say(
            f"{counted(len(unknown), 'table')} could not be counted; nothing can be said of them later."
        )
    if captured.suspect:
        shown = "; ".join(plain(each, 200) for each in baseline.suspect[:5])
        more = f"; and {len(baseline.suspect) - 5} more" if len(baseline.suspect) > 5 else ""
        say(f"SUSPECT, kept apart and never used by itself: {shown}{more}.")
        say(
            "What to do: find out where the rows went. If it is meant so, capture again with "
            "`--accept REASON`."
        )
        return int(ExitCode.FAILED)
    return int(ExitCode.COULD_NOT_VERIFY if unknown else ExitCode.DONE)


@command.command("show")
@click.argument("runbook")
@click.option("--id", "name", help="Which one; absent: the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(runbook: str, name: str | None, as_json: bool) -> int:
    """List the stored baselines and show one."""
    store = baselines(open_runbook(runbook), os.environ)
    listed, apart = store.listed(), store.listed(suspect=True)
    if not listed and name is None:
        for each, at in apart:
            click.echo(f"     {each}  captured {show_time(at)}  SUSPECT")
        say(f"There is no baseline in {store.location()}.")
        say("What to do: capture one in calm times with `drbook baseline capture`.")
        return int(ExitCode.COULD_NOT_VERIFY)
    chosen, baseline, damaged = _chosen(store, name, [each for each, _ in listed])
    if as_json:
        print_json(
            {
                "kept": store.location(),
                "listed": [{"id": each, "captured_at": format_time(at)} for each, at in listed],
                "suspect": [{"id": each, "captured_at": format_time(at)} for each, at in apart],
                "damaged": damaged,
                "id": chosen,
                "baseline": baseline.model_dump(mode="json") if baseline is not None else None,
            }
        )
        return int(ExitCode.COULD_NOT_VERIFY if damaged else ExitCode.DONE)
    click.echo(
        f"{counted(len(listed), 'baseline')} in {store.location()}"
        + (f", and {len(apart)} kept apart as suspect" if apart else "")
    )
    rows = [(each, at, "") for each, at in listed[:20]]
    rows += [(each, at, "  SUSPECT") for each, at in apart[:20]]
    for each, at, mark in sorted(rows, key=lambda row: row[1], reverse=True):
        shown = "  CANNOT BE USED" if each in damaged else mark
        click.echo(f"  {'->' if each == chosen else '  '} {each}  captured {show_time(at)}{shown}")
    if baseline is None:
        for each in damaged:
            say(plain(damaged[each], 300))
        return int(ExitCode.COULD_NOT_VERIFY)
    click.echo("")
    _print(baseline)
    for each in damaged:
        say(plain(damaged[each], 300))
    return int(ExitCode.COULD_NOT_VERIFY if damaged else ExitCode.DONE)


def _chosen(
    store: Baselines, name: str | None, names: Sequence[str]
) -> tuple[str, Baseline | None, dict[str, str]]:
    """The one that is named, or the newest that can be used, and why newer ones cannot. Raises
    CouldNotVerify for one that is named."""
    if name is not None:
        return name, store.load(name), {}
    damaged: dict[str, str] = {}
    for each in names[:LOOKED_AT]:
        try:
            return each, store.load(each), damaged
        except CouldNotVerify as error:
            damaged[each] = error.what
    return "", None, damaged


@command.command("compare")
@click.argument("runbook")
@click.option("--baseline", "name", default="newest", show_default=True, help="Which one.")
@click.option(
    "--max-drop",
    type=click.IntRange(0, 100),
    default=5,
    show_default=True,
    metavar="PERCENT",
    help="A larger drop in a table is a loss; a smaller one is only said.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Give an input.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def compare(
    runbook: str, name: str, max_drop: int, settings: tuple[str, ...], as_json: bool
) -> int:
    """Count production now and say what it lost against a baseline. Exit code 1 for a loss."""
    teller = Teller()
    loaded = open_runbook(runbook)
    inspection = Inspection(loaded, read_settings(loaded, settings), os.environ, teller)
    finished = inspection.compare(name, max_drop)
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
    click.echo(f"server             {identity.server_version // 10000}")
    if counts.read_from:
        click.echo(f"read from          its replica, {plain(counts.read_from, 300)}")
    for why in baseline.suspect:
        click.echo(f"{'accepted' if baseline.accepted else 'SUSPECT':<19}{plain(why, 300)}")
    if baseline.accepted:
        click.echo(f"because            {plain(baseline.accepted, 300)}")
    click.echo("")
    rows = [
        (
            count.table,
            _number(count.rows),
            show_time(count.newest) if count.newest else "",
            count.why_unknown or count.note,
        )
        for count in counts.tables
    ]
    print_table(("table", "rows", "newest", ""), rows, right=(1,))
    if counts.aside:
        click.echo("\nnot counted")
        print_table(
            ("name", "kind", "why"), [(each.name, each.kind, each.why) for each in counts.aside]
        )


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
