"""The values an operator gives when an incident is opened, in the types that the runbook declares."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from drbook.app.refusing import refuse_secret
from drbook.core.errors import UsageError
from drbook.core.runbook import Input, Runbook
from drbook.core.values import Json, format_time, parse_moment, parse_time, plain


def read_input(
    name: str,
    value: Json,
    kind: Literal["text", "time", "number", "boolean"],
    now: datetime | None = None,
) -> Json:
    """One input in its type; times in UTC, and with `now` also as people say them (`20m ago`).

    Raises ValueError with a sentence for the operator, UsageError where it holds a known secret.
    """
    refuse_secret(str(value), f"The value of {plain(name, 60)}")
    if kind == "text":
        return str(value)
    if kind == "time":
        text = str(value)
        return format_time(parse_time(text) if now is None else parse_moment(text, now))
    if kind == "number":
        try:
            return int(str(value))
        except ValueError:
            raise ValueError(f"{name}: {plain(str(value), 80)!r} is not a whole number") from None
    words = {"true": True, "yes": True, "false": False, "no": False}
    answer = words.get(str(value).lower())
    if answer is None:
        raise ValueError(f"{name}: {plain(str(value), 80)!r} is neither yes nor no")
    return answer


def read_inputs(runbook: Runbook, given: Mapping[str, str], now: datetime) -> Mapping[str, Json]:
    """All declared inputs with what was given, or their defaults.

    Raises UsageError for what is unknown, not of its type, or missing, and for a known secret.
    """
    for name in given:
        refuse_secret(name, "The name of an input")
    declared = runbook.document.inputs
    problems = [
        f"there is no input `{plain(name, 60)}`; declared are: {', '.join(declared) or 'none'}"
        for name in given
        if name not in declared
    ]
    values: dict[str, Json] = {}
    for name, definition in declared.items():
        value: Json = given.get(name, definition.default)
        if value is None:
            if definition.required:
                prompt = f" ({definition.prompt})" if definition.prompt else ""
                problems.append(f"`{name}` is missing{prompt}: give it with --set {name}=VALUE")
            continue
        try:
            values[name] = read_input(name, value, definition.type, now)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise UsageError(
            "The runbook's inputs are not complete: " + "; ".join(problems) + ".",
            means="Nothing was started.",
            next="Give every input and start again.",
            code="inputs",
        )
    return values


def in_order_of_asking(runbook: Runbook) -> list[tuple[str, Input]]:
    """The declared inputs; when it happened comes first, for the clocks go by it."""
    declared = runbook.document.inputs.items()
    return sorted(declared, key=lambda pair: pair[0] != "occurred")


def occurred_in(values: Mapping[str, Json]) -> datetime | None:
    """When the loss happened, where the runbook has an input `occurred` of type time."""
    value = values.get("occurred")
    if value is None:
        return None
    try:
        return parse_time(str(value))
    except ValueError:
        return None
