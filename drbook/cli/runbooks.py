"""`drbook runbooks`: what is installed."""

import click

from drbook.app.shipped import find, names, open_runbook
from drbook.cli.output import print_json, print_table


@click.command("runbooks")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(as_json: bool) -> None:
    """List the runbooks that came with drbook; copy one and make it yours."""
    found = [(name, open_runbook(name), find(name)) for name in names()]
    if as_json:
        print_json(
            [{"name": name, "title": one.title, "path": str(path)} for name, one, path in found]
        )
        return
    print_table(
        ("name", "title", "path"), [(name, one.title, str(path)) for name, one, path in found]
    )
