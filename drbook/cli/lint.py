"""`drbook lint`: check runbooks, every problem at once."""

import click

from drbook.app.shipped import find, hint
from drbook.app.vocabulary import vocabulary
from drbook.cli.output import print_json, say, tell
from drbook.core.errors import ExitCode, Problem, RunbookInvalid
from drbook.core.values import counted
from drbook.language.advice import advice
from drbook.language.load import load_file


@click.command("lint")
@click.argument("runbooks", nargs=-1, required=True, metavar="RUNBOOK...")
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
def command(runbooks: tuple[str, ...], as_json: bool) -> int:
    """Check runbooks without running anything. Exit code 2 where one has a problem."""
    problems: list[Problem] = []
    remarks: list[Problem] = []
    for given in runbooks:
        try:
            remarks += advice(load_file(find(given), vocabulary()))
        except RunbookInvalid as error:
            problems += error.problems
            if near := hint(given):
                say(f"{given}{near}")
    if as_json:
        print_json(
            {
                "problems": [_as_json(problem) for problem in problems],
                "advice": [_as_json(remark) for remark in remarks],
            }
        )
    else:
        for problem in problems:
            tell(str(problem))
        for remark in remarks:
            tell(f"advice: {remark}")
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
