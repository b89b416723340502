"""A runbook's inputs on the command line: `--set NAME=VALUE`, and questions for what is missing."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime

import click

from drbook.app.inputs import read_input
from drbook.app.refusing import refuse_secret
from drbook.cli.output import say
from drbook.core.errors import UsageError
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.providers.secrets import know


def read_settings(runbook: Runbook, settings: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping. Raises UsageError, also for one that holds a secret of the runbook."""
    know(runbook.source.decode("utf-8", "replace"), os.environ)
    given: dict[str, str] = {}
    for setting in settings:
        refuse_secret(setting, "A --set")
        name, sign, value = setting.partition("=")
        if not sign or not name:
            raise UsageError(
                f"{plain(setting, 80)!r} is not NAME=VALUE.",
                next="Write --set occurred=2026-04-24T19:04:00Z, or --set 'occurred=20m ago'.",
            )
        given[name.strip()] = value
    return given


def ask_missing(runbook: Runbook, given: Mapping[str, str]) -> dict[str, str]:
    """Ask for every required input that has no value yet, until the answer fits its type."""
    answers: dict[str, str] = {}
    for name, definition in runbook.document.inputs.items():
        if name in given or definition.default is not None or not definition.required:
            continue
        if definition.type == "time":
            click.echo("Times are UTC: 19:04, 20m ago, now, or 2026-04-24T19:04Z.", err=True)
        while name not in answers:
            text = click.prompt(definition.prompt or name, err=True)
            try:
                value = read_input(name, text, definition.type, datetime.now(UTC))
            except (ValueError, UsageError) as error:
                say(str(error))
                continue
            answers[name] = str(value)
            if definition.type == "time":
                click.echo(f"{name}: {value}", err=True)  # what was understood
    return answers
