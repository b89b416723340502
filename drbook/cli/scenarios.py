"""The demo's scenarios on the command line: listed, and all of them one after the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from drbook.app.model import Snapshot
from drbook.app.report import report
from drbook.cli.output import print_json, print_table, say
from drbook.core.engine import Outcome
from drbook.core.errors import ExitCode
from drbook.core.values import Json
from drbook.demo.worlds import MODULES, story

if TYPE_CHECKING:
    from drbook.demo.playing import Played
    from drbook.demo.story import Story


def list_scenarios(as_json: bool) -> int:
    """Each scenario, what goes wrong, and what must come out."""
    stories = [story(name) for name in MODULES]
    if as_json:
        print_json(
            [
                {
                    "name": one.name,
                    "goes_wrong": one.line,
                    "comes_out": one.end,
                    "runbook": one.world.file,
                    "exit_code": int(one.expected.code),
                }
                for one in stories
            ]
        )
        return 0
    for one in stories:
        click.echo(one.name)
        click.echo(f"    {one.line}")
        click.echo(f"    runbook: {one.world.file.removesuffix('.yaml')}")
        click.echo(f"    → exit code {int(one.expected.code)}: {one.end}")
    return 0


class Whether:
    """Says whether a scenario came out as it must, once it has ended, and what that means for the exit code."""

    def __init__(self, chosen: "Story") -> None:
        self._chosen = chosen
        self._failed = False

    def __call__(self, final: Snapshot, ended: Outcome) -> None:
        unmet = self._chosen.expected.unmet(report(final, ended))
        self._failed = bool(unmet) and ended.word not in _CUT_SHORT
        if not unmet:
            say(f"The scenario came out as it must: {self._chosen.end}.")
        for one in unmet:
            say(f"The scenario did not come out as it must: {one}")

    def code(self, incident: int) -> int:
        """1 where it did not come out as it must; else the incident's own, also where it was cut short or led
        at the screen by a person."""
        return int(ExitCode.FAILED) if self._failed else incident


_CUT_SHORT = ("aborted", "open")
"""Outcomes of an incident that somebody stopped, or whose terminal went away."""


def play_all(rows: int, *, keep: bool, as_json: bool) -> int:
    """Every scenario, each in a world of its own. Exit code 0 where each came out as it must, also one
    that must fail."""
    from drbook.demo.playing import play, worst

    played = []
    for name in MODULES:
        say(f"— {name}: {story(name).line}")
        played.append(play(story(name), rows, keep=keep, tell=say))
    if as_json:
        print_json([_document(one) for one in played])
    else:
        _print(played)
    return int(worst(played))


def _document(one: "Played") -> dict[str, Json]:
    return {
        "scenario": one.story.name,
        "as_it_must": one.held,
        "unmet": list(one.unmet),
        "outcome": one.outcome,
        "exit_code": one.code,
        "seconds": round(one.seconds, 1),
    }


def _print(played: "Sequence[Played]") -> None:
    rows = [
        (
            one.story.name,
            "✓ as it must" if one.held else "✗ NOT as it must",
            one.outcome,
            str(one.code),
            f"{one.seconds:.0f} s",
        )
        for one in played
    ]
    print_table(("scenario", "came out", "outcome", "code", "took"), rows)
    for one in played:
        for words in one.unmet:
            click.echo(f"{one.story.name}: {words}")
