"""How a command is refused: why it is not carried out now, and what can be done instead."""

from collections.abc import Iterator
from dataclasses import fields
from typing import NoReturn

from drbook.app import model as cmd
from drbook.core.errors import UsageError
from drbook.providers.hiding import KNOWN


def refuse(what: str, next: str) -> NoReturn:
    """Raises UsageError: nothing was changed."""
    raise UsageError(
        what,
        means="" if next.startswith("Nothing was") else "Nothing was changed.",
        next=next,
        code="not-now",
    )


def need_reason(reason: str, of_what: str) -> None:
    """Raises UsageError where nobody said why."""
    if not reason.strip():
        refuse(f"A reason is needed for {of_what}.", "Say it in a few words; it goes on record.")


def refuse_secret(typed: str, what: str = "What was typed") -> None:
    """Raises UsageError where a typed text holds the value of a known secret. `what` names the text."""
    if KNOWN.holds(typed):
        raise UsageError(
            f"{what} holds the value of a secret that this incident uses.",
            means="It was not recorded; whoever sees this screen may have read it.",
            next="Write it again without the value.",
            code="secret-typed",
        )


def refuse_secrets_in(command: cmd.Command) -> None:
    """What a person types goes on record as it is, but not where it holds a known secret."""
    for each in _typed_in(command):
        if isinstance(each, str):
            refuse_secret(each)


def _typed_in(command: cmd.Command) -> Iterator[object]:
    """What a command carries, but the name that a confirmation must repeat."""
    if not isinstance(command, cmd.Confirm):
        yield from (getattr(command, each.name) for each in fields(command))
