"""`drbook lint`: check runbooks, every problem at once."""

from datetime import UTC, datetime

import click

from drbook.app.approvers import on_this_machine
from drbook.app.shipped import find, hint
from drbook.app.vocabulary import vocabulary
from drbook.cli.output import print_json, say, tell
from drbook.core.errors import ExitCode, Problem, RunbookInvalid
from drbook.core.values import counted
from drbook.language.advice import advice, unsigning
from drbook.language.load import load_file


@click.command("lint")
@click.argument("runbooks", nargs=-1, required=True, metavar="RUNBOOK...")
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
def command(runbooks: tuple[str, ...], as_json: bool) -> int:
    """Check runbooks without running anything. Exit code 2 where one has a problem.

    What is wrong with a list of approvers in a file is told of this machine, and is no problem of the runbook."""
    problems: list[Problem] = []
    remarks: list[Problem] = []
    here: list[Problem] = []
    now = datetime.now(UTC)
    for given in runbooks:
        try:
            runbook = load_file(find(given), vocabulary())
            remarks += advice(runbook)
            if (stated := runbook.document.approvers) is not None and stated.lines:
                problems += unsigning(runbook, now)
            here += on_this_machine(runbook, now)
        except RunbookInvalid as error:
            problems += error.problems
            if near := hint(given):
                say(f"{given}{near}")
    if as_json:
        print_json(
            {
                "problems": [_as_json(problem) for problem in problems],
                "advice": [_as_json(remark) for remark in remarks],
                "this_machine": [_as_json(one) for one in here],
            }
        )
    else:
        for problem in problems:
            tell(str(problem))
        for remark in remarks:
            tell(f"advice: {remark}")
        for one in here:
            tell(f"on this machine: {one}")
    count = len(problems)
    if count:
        say(f"{counted(count, 'problem')} in {counted(len(runbooks), 'runbook')}.")
        return int(ExitCode.USAGE)
    say(f"{counted(len(runbooks), 'runbook')} without a problem.")
    return int(ExitCode.DONE)


def _as_json(problem: Problem) -> dict[str, str | int]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "found": problem.found,
        "expected": problem.expected,
    }
