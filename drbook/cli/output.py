"""Printing: data to standard output, words for people to standard error."""

import json
from collections.abc import Sequence

import click

from drbook.core.values import Json, plain, plain_lines
from drbook.providers.hiding import scrub, scrub_json


def print_json(document: Json) -> None:
    """One JSON document, indented for people too."""
    click.echo(json.dumps(scrub_json(document), indent=2, ensure_ascii=False))


LONGEST = 10_000
"""Characters of a line."""


def say(text: str) -> None:
    """A sentence for a person. Nothing in it acts on a terminal."""
    click.echo(plain_lines(scrub(text), LONGEST), err=True)


def tell(text: str, *, err: bool = False) -> None:
    """A line of facts; a line's end inside it, as a file's name may have one, does not make two. `err`: it
    belongs to a question."""
    click.echo(plain(scrub(text), LONGEST), err=err)


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    *,
    err: bool = False,
) -> None:
    """Aligned columns; `right` names the ones that hold numbers. Text from outside is made plain. `err`: it
    belongs to a question."""
    cells = [[plain(cell, 400) for cell in row] for row in rows]
    widths = [
        max(len(header[column]), *(len(row[column]) for row in cells), 0)
        for column in range(len(header))
    ]

    def line(row: Sequence[str]) -> str:
        shown = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return scrub("  ".join(shown).rstrip())

    click.echo(line(header), err=err)
    for row in cells:
        click.echo(line(row), err=err)
