"""`drbook notify`: whom a runbook tells how an unattended run ended, and whether a message arrives."""

import os
from collections.abc import Mapping
from dataclasses import replace

import click

from drbook.app.shipped import open_runbook
from drbook.cli.output import print_json, say, tell
from drbook.core.errors import DrbookError, ExitCode, UsageError
from drbook.core.events import Mode
from drbook.core.notify import NotifyConfig
from drbook.core.resend import Delivery, worst
from drbook.core.runbook import Runbook
from drbook.core.values import Json, plain
from drbook.providers import secrets

_CODES: Mapping[Delivery, ExitCode] = {
    Delivery.ACCEPTED: ExitCode.DONE,
    Delivery.NOT_ACCEPTED: ExitCode.FAILED,
    Delivery.UNKNOWN: ExitCode.COULD_NOT_VERIFY,
}


@click.command("notify")
@click.argument("runbook")
@click.option("--test", is_flag=True, help="Send to each a message that is marked as a test.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(runbook: str, test: bool, as_json: bool) -> int:
    """Say whom RUNBOOK tells how an unattended run ended, of what, and which secret cannot be read.

    With --test each gets a message that says it is a test; PagerDuty an alert of severity info, which is
    resolved at once. Exit code 1 where a secret cannot be read or a message was not accepted, 5 where
    nobody knows whether it was taken.
    """
    loaded = open_runbook(runbook)
    if not loaded.notify:
        raise UsageError(
            "The runbook has no `notify:`.",
            means="Nobody is told how an unattended run ends.",
            next="Add `notify: [{kind: slack, url: env:SLACK_WEBHOOK}]`, or `pagerduty`, or `http`.",
        )
    return _try(loaded, as_json=as_json) if test else _list(loaded, as_json=as_json)


def _list(loaded: Runbook, *, as_json: bool) -> int:
    unread = [_unread(one) for one in loaded.notify]
    if as_json:
        print_json(
            [
                one.model_dump(mode="json") | {"unread": why}
                for one, why in zip(loaded.notify, unread, strict=True)
            ]
        )
    else:
        for number, one in enumerate(loaded.notify, 1):
            modes = ", ".join(mode.value for mode in one.modes)
            tell(f"{number}  {one.place}: {', '.join(one.on)} ({modes})")
            for name, why in unread[number - 1].items():
                tell(f"   NOT READY  {name}: {why}")
    return int(ExitCode.FAILED if any(unread) else ExitCode.DONE)


def _unread(config: NotifyConfig) -> dict[str, str]:
    """Which of its secrets cannot be read, and why."""
    found = {}
    for name, reference in config.references.items():
        try:
            secrets.resolve(reference, os.environ)
        except DrbookError as error:
            found[name] = error.what
    return found


def _try(loaded: Runbook, *, as_json: bool) -> int:
    from drbook.app.notices import of_test
    from drbook.app.notifying import Message, tell_all

    notice = of_test(loaded, Mode.DRILL)
    say("Sending a test to each. It says of itself that it is one.")
    ended = tell_all(
        [Message(number, one, notice) for number, one in enumerate(loaded.notify, 1)], None, say
    )
    ended += tell_all(
        [
            Message(number, one, replace(notice, word="pass"))
            for number, one in enumerate(loaded.notify, 1)
            if one.kind == "pagerduty" and ended[number - 1].delivery != "not-accepted"
        ],
        None,
        say,
    )
    if as_json:
        found: list[Json] = [one.model_dump(mode="json") for one in ended]
        print_json(found)
    else:
        for one in ended:
            tell(f"{one.number}  {one.kind} {plain(one.host, 200)}: {one.delivery}")
    return int(_CODES[worst(Delivery(one.delivery) for one in ended)])
