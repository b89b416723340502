"""`drbook incidents`: history."""

import click

from drbook.app.cleaning import told_before
from drbook.app.history import Summary, summaries
from drbook.app.places import home
from drbook.cli.output import print_json, print_table, say
from drbook.core.values import Json, format_time, show_time


@click.command("incidents")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(as_json: bool) -> None:
    """List the incidents of this machine, oldest first."""
    where = home()
    found = summaries(where)
    if as_json:
        print_json([_document(one) for one in found])
        return
    if not found:
        say(f"There is no incident in {where.incidents}.")
        return
    print_table(
        ("incident", "mode", "opened", "outcome", "title"),
        [
            (
                one.incident,
                one.mode,
                show_time(one.opened_at) if one.opened_at else "",
                one.outcome,
                one.title or one.problem,
            )
            for one in found
        ],
    )
    for line in told_before(where):
        say(line)


def _document(one: Summary) -> Json:
    return {
        "incident": one.incident,
        "title": one.title,
        "mode": one.mode,
        "opened_at": format_time(one.opened_at) if one.opened_at else None,
        "closed_at": format_time(one.closed_at) if one.closed_at else None,
        "outcome": one.outcome,
        "exit_code": one.exit_code,
        "folder": str(one.folder),
        "problem": one.problem,
    }
