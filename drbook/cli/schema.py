"""`drbook schema`: the runbook language as JSON Schema, for editors."""

import click

from drbook.app.vocabulary import vocabulary
from drbook.cli.output import print_json
from drbook.language.schema import schema


@click.command("schema")
def command() -> None:
    """Print the JSON Schema (2020-12) of runbooks, with every action and kind installed here."""
    print_json(schema(vocabulary()))
