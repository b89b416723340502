"""pydantic's errors as problems with positions, in the words of somebody who writes runbooks."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from drbook.core.errors import Problem
from drbook.core.values import Json, plain
from drbook.language.source import Source, Where, describe, did_you_mean


class Later:
    """Stands for a value that an expression will give; no field accepts it, and no error names it."""

    def __repr__(self) -> str:
        return "an expression"


def from_validation(
    error: ValidationError,
    source: Source,
    base: Where,
    data: object,
    model: type[BaseModel],
    later: frozenset[Where] = frozenset(),
) -> list[Problem]:
    """Every error of one validation, with those left out that an expression's value may still mend.

    `later` holds the paths (from `base`) where an expression stands.
    """
    problems = []
    seen: set[tuple[Where, str]] = set()
    for detail in error.errors(include_url=False):
        where = _real_path(detail["loc"], data, detail["type"])
        if _excused(where, detail["type"], later):
            continue
        key = (where, detail["type"])
        if key in seen:
            continue
        seen.add(key)
        problems.append(_problem(detail, where, source, base, model))
    return problems


def _excused(where: Where, kind: str, later: frozenset[Where]) -> bool:
    if any(where[: len(path)] == path for path in later):
        return True
    above = any(path[: len(where)] == where for path in later)
    return above and (kind.startswith("union_tag") or kind in ("value_error", "assertion_error"))


def _real_path(loc: Sequence[str | int], data: object, kind: str) -> Where:
    """The path in the document: pydantic puts names of union branches and models between."""
    where: list[str | int] = []
    value = data
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(value, Mapping) and isinstance(part, str):
            if part in value:
                where.append(part)
                value = value[part]
            elif last and kind == "missing":
                where.append(part)
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(part, int):
            where.append(part)
            value = value[part] if part < len(value) else None
    return tuple(where)


def _problem(
    detail: ErrorDetails, where: Where, source: Source, base: Where, model: type[BaseModel]
) -> Problem:
    full = (*base, *where)
    kind = detail["type"]
    if kind == "missing":
        return source.problem(full[:-1], f"no `{full[-1]}`", f"the field `{full[-1]}`")
    if kind == "extra_forbidden":
        known = _fields(model, where[:-1])
        name = str(where[-1]) if where else ""
        expected = "one of: " + ", ".join(known) if known else "no such field"
        hint = did_you_mean(name, known)
        return source.problem(
            full, f"the unknown field `{plain(name, 60)}`", expected + hint, key=True
        )
    found = describe(_as_json(detail["input"]))
    expected = _expected(detail)
    return source.problem(full, found, expected)


def _expected(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    words = {
        "string_type": "a text",
        "int_type": "a whole number",
        "int_parsing": "a whole number",
        "bool_type": "true or false",
        "bool_parsing": "true or false",
        "float_type": "a number",
        "tuple_type": "a list",
        "list_type": "a list",
        "dict_type": "a mapping",
        "mapping_type": "a mapping",
        "model_type": "a mapping",
        "model_attributes_type": "a mapping",
    }
    if kind in words:
        return words[kind]
    if kind in ("literal_error", "enum"):
        return "one of: " + str(context.get("expected", "")).replace(" or ", ", ")
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern", ""))
        if pattern.startswith("^(env:"):
            return "a reference to a secret: env:NAME, file:PATH or cmd:PROGRAM, never the secret"
        if pattern.startswith("^[a-z]"):
            return "a name of small letters, digits and _, starting with a letter"
        return f"a text that matches {pattern}"
    message = plain(detail["msg"], 300)
    return message.removeprefix("Value error, ").removeprefix("Input should be ")


def _fields(model: type[BaseModel], where: Where) -> list[str]:
    """The names that the model at this path knows, aliases as written."""
    current: type[BaseModel] | None = model
    for part in where:
        if isinstance(part, int):
            continue
        if current is None:
            return []
        current = _inner_model(current, part)
    if current is None:
        return []
    return [info.alias or name for name, info in current.model_fields.items()]


def _inner_model(model: type[BaseModel], part: str) -> type[BaseModel] | None:
    for name, info in model.model_fields.items():
        if (info.alias or name) == part:
            return _first_model(info.annotation)
    return None


def _first_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _first_model(inner)
        if found is not None:
            return found
    return None


def _as_json(value: object) -> Json:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {}
    if isinstance(value, Sequence):
        return []
    return plain(repr(value), 60)
