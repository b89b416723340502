"""`drbook backups`: every recovery point, its verdict and the reasons."""

import os

import click

from drbook.app.inspect import Inspection, policy
from drbook.app.shipped import open_runbook
from drbook.cli.output import print_json, print_table, say
from drbook.cli.progress import Teller
from drbook.cli.settings import read_settings
from drbook.core.actions import Finished
from drbook.core.errors import ExitCode
from drbook.core.events import StepEnd
from drbook.core.located import Located
from drbook.core.points import Judgement
from drbook.core.purging import pause
from drbook.core.values import plain, show_duration, show_time

CODES = {
    StepEnd.SUCCEEDED: ExitCode.DONE,
    StepEnd.FAILED: ExitCode.FAILED,
    StepEnd.COULD_NOT_VERIFY: ExitCode.COULD_NOT_VERIFY,
}


@click.command("backups")
@click.argument("runbook")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Give an input.")
@click.option(
    "--quick", is_flag=True, help="Look at sizes and first bytes only; download nothing whole."
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(runbook: str, settings: tuple[str, ...], quick: bool, as_json: bool) -> int:
    """List every copy that RUNBOOK's sources hold and judge it, as the locate step would.

    Exit code 0 where an independent copy was found, 1 where there is none, 5 where nobody can tell
    because a place did not answer.
    """
    loaded = open_runbook(runbook)
    teller = Teller()
    inspection = Inspection(loaded, read_settings(loaded, settings), os.environ, teller)
    note = policy(loaded)[1]
    if note:
        say(note)
    finished = inspection.locate(full=not quick)
    teller.clear()
    located = finished.result
    assert isinstance(located, Located)
    if as_json:
        print_json(
            {
                "state": finished.state.value,
                "reason": finished.reason,
                "located": located.model_dump(mode="json"),
            }
        )
    else:
        _print(located, finished)
    return int(CODES[finished.state])


def _print(located: Located, finished: Finished) -> None:
    chosen = located.point.key if located.point else None
    rows = [
        (
            "->" if each.point.key == chosen else "",
            show_time(located.comes_to(each.point)),
            each.point.sized,
            each.verdict.value.upper(),
            each.point.source,
            each.point.id,
        )
        for each in located.judgements
    ]
    if rows:
        print_table(("", "holds to", "size", "verdict", "source", "copy"), rows, right=(2,))
        click.echo("")
    for each in located.judgements:
        click.echo(f"{plain(each.point.location, 300)}: {each.verdict.value}")
        for reason in each.reasons:
            click.echo(f"    {plain(reason, 600)}")
    for source in located.unreachable:
        state = "destroyed" if source.destroyed else "unknown"
        part = " (a part)" if source.reachable else ""
        click.echo(f"{plain(source.source, 60)}{part}: {state}")
        click.echo(f"    {plain(source.why_unreachable, 400)}")
    click.echo("")
    pauses = [pause(each.point.source, one) for each in located.judgements for one in each.pause]
    for line in dict.fromkeys(pauses):
        click.echo(line)
    _print_choice(located)
    _print_ways(located)
    say(finished.reason)
    for line in (finished.means, finished.next):
        if line:
            say(line)


def _print_ways(located: Located) -> None:
    if not located.ways:
        return
    click.echo("\nways back")
    rows = [(way.kind, way.loss(), way.ready(), way.what) for way in located.ways]
    print_table(("", "loses", "ready in", "from"), rows)
    for way in located.ways:
        click.echo(f"  {way.kind}: proof: {way.proof}; risk: {way.risk}")
    click.echo("")


def _print_choice(located: Located) -> None:
    newest: Judgement | None = located.judgements[0] if located.judgements else None
    if newest is not None:
        click.echo(f"newest              {_point(newest, located)}")
    if located.point is not None:
        best = next(each for each in located.judgements if each.point.key == located.point.key)
        click.echo(f"newest independent  {_point(best, located)}")
        if newest is not None and newest.point.key != best.point.key:
            costs = show_duration(located.comes_to(newest.point) - located.comes_to(best.point))
            click.echo(f"the difference      {costs} of data")


def _point(judgement: Judgement, located: Located) -> str:
    point = judgement.point
    return f"{show_time(located.comes_to(point))}  {plain(point.location, 200)} ({judgement.verdict.value})"
