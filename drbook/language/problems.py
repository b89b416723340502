"""pydantic's errors as problems with positions, in the words of somebody who writes runbooks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from drbook.core.errors import Problem
from drbook.core.values import Json, plain
from drbook.language.source import Source, Where, describe, did_you_mean


class Later:
    """Stands for a value that an expression will give; no field accepts it, and no error names it."""

    def __repr__(self) -> str:
        return "an expression"


_SECRET_IN = {
    "secret_in_url": "an address",
    "secret_in_headers": "a header",
    "secret_in_body": "a body",
}


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
    details = error.errors(include_url=False)
    real = [path_of(detail["loc"], data, detail["type"]) for detail in details]
    mendable = _mendable_unions(details, real, data, later)
    problems: dict[tuple[Where, str], Problem] = {}
    for detail, where in zip(details, real, strict=True):
        if _excused(where, detail["type"], later) or _is_other_branch(detail["loc"], mendable):
            continue
        if detail["type"] == "too_short" and _is_long_enough(detail):
            continue  # pydantic counts only the items that are valid
        problem = _problem(detail, where, source, base, data, model)
        key = (where, problem.found)
        if (earlier := problems.get(key)) is None:
            problems[key] = problem
        elif problem.expected not in earlier.expected.split(" or "):
            # one value, several types that it might have had
            expected = f"{earlier.expected} or {problem.expected}"
            problems[key] = replace(earlier, expected=expected)
    return list(problems.values())


def _is_long_enough(detail: ErrorDetails) -> bool:
    value = detail["input"]
    wanted = detail.get("ctx", {}).get("min_length", 0)
    return isinstance(value, Mapping | list | tuple) and len(value) >= wanted


_Loc = tuple[str | int, ...]


def _mendable_unions(
    details: Sequence[ErrorDetails], real: Sequence[Where], data: object, later: frozenset[Where]
) -> frozenset[tuple[_Loc, str | int]]:
    """Unions (as pydantic's path to them) with the branch in which only an expression is lacking.

    The other branches of such a union complain about the value around the expression; once the
    expression has its value, the branch that it belongs to may well take it.
    """
    found: set[tuple[_Loc, str | int]] = set()
    for detail, where in zip(details, real, strict=True):
        if any(where[: len(path)] == path for path in later):
            loc = detail["loc"]
            found |= {(loc[:index], loc[index]) for index in _labels(loc, data)}
    return frozenset(found)


def _labels(loc: _Loc, data: object) -> Iterator[int]:
    """Where in a path pydantic put the name of a union's branch, which is not in the document."""
    value = data
    for index, part in enumerate(loc):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Sequence) and isinstance(part, int) and part < len(value):
            value = None if isinstance(value, str) else value[part]
        else:
            yield index


def _is_other_branch(loc: _Loc, mendable: frozenset[tuple[_Loc, str | int]]) -> bool:
    return any(
        loc[: len(prefix)] == prefix and len(loc) > len(prefix) and loc[len(prefix)] != branch
        for prefix, branch in mendable
    )


def _excused(where: Where, kind: str, later: frozenset[Where]) -> bool:
    if kind == "secret_reference":
        return False  # no value of an expression is taken there
    if any(where[: len(path)] == path for path in later):
        return True
    above = any(path[: len(where)] == where for path in later)
    return above and (kind.startswith("union_tag") or kind in ("value_error", "assertion_error"))


def path_of(loc: Sequence[str | int], data: object, kind: str) -> Where:
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


def _tag(detail: ErrorDetails) -> str:
    """The field that tells the branches of a union apart."""
    return str(detail.get("ctx", {}).get("discriminator", "kind")).strip("'")


def _problem(
    detail: ErrorDetails,
    where: Where,
    source: Source,
    base: Where,
    data: object,
    model: type[BaseModel],
) -> Problem:
    full = (*base, *where)
    kind = detail["type"]
    if kind == "missing":
        return source.problem(full[:-1], f"no `{full[-1]}`", f"the field `{full[-1]}`")
    if kind == "union_tag_not_found":
        return source.problem(full, f"no `{_tag(detail)}`", f"the field `{_tag(detail)}`")
    if kind == "union_tag_invalid":
        context = detail.get("ctx", {})
        tags = str(context.get("expected_tags", "")).replace("'", "").split(", ")
        tag = str(context.get("tag", ""))
        expected = "one of: " + ", ".join(tags) + did_you_mean(tag, tags)
        return source.problem((*full, _tag(detail)), describe(tag), expected)
    if kind == "extra_forbidden":
        known = _fields(model, where[:-1], data)
        name = str(where[-1]) if where else ""
        expected = "one of: " + ", ".join(known) if known else "no such field"
        hint = did_you_mean(name, known)
        return source.problem(
            full, f"the unknown field `{plain(name, 60)}`", expected + hint, key=True
        )
    found = describe(_as_json(detail["input"]))
    expected = expected_in(detail)
    if kind in _SECRET_IN:
        found = f"{_SECRET_IN[kind]} that may hold a secret, so it is not shown"
    elif _is_reference(detail):
        found = "a text that is no reference (it may be a secret, so it is not shown)"
    return source.problem(full, found, expected)


def _is_reference(detail: ErrorDetails) -> bool:
    pattern = str(detail.get("ctx", {}).get("pattern", ""))
    return detail["type"] == "string_pattern_mismatch" and pattern.startswith("^(env:")


_NOT_A = re.compile(r"^'.*' is not (an? [^;]+); write it like (.+)$", re.DOTALL)


def expected_in(detail: ErrorDetails) -> str:
    """What was expected, in the words of somebody who writes runbooks."""
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
    if kind == "too_long":
        return f"at most {context.get('max_length')} items"
    if kind in ("string_too_short", "string_too_long"):
        few = kind == "string_too_short"
        limit = context.get("min_length" if few else "max_length")
        return f"a text of at {'least' if few else 'most'} {limit} characters"
    if kind == "too_short":
        least = context.get("min_length", 1)
        return f"at least {least} item{'s' if least != 1 else ''}"
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern", ""))
        if _is_reference(detail):
            return "a reference to a secret: env:NAME, file:PATH or cmd:PROGRAM, never the secret"
        if pattern.startswith("^[a-z]"):
            return "a name of small letters, digits and _, starting with a letter"
        return f"a text that matches {pattern}"
    message = plain(detail["msg"], 300)
    for opening in ("Value error, ", "Input should be ", "expected "):
        message = message.removeprefix(opening)
    # What was found stands before it already.
    return _NOT_A.sub(r"\1 like \2", message)


def _fields(model: type[BaseModel], where: Where, data: object) -> list[str]:
    """The names that the model at this path knows, aliases as written."""
    current: type[BaseModel] | None = model
    value = data
    for part in where:
        value = _inside(value, part)
        if isinstance(part, int):
            continue
        if current is None:
            return []
        current = _inner_model(current, part, value)
    if current is None:
        return []
    return [info.alias or name for name, info in current.model_fields.items()]


def _inside(value: object, part: str | int) -> object:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, Sequence) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _inner_model(model: type[BaseModel], part: str, value: object) -> type[BaseModel] | None:
    for name, info in model.model_fields.items():
        if (info.alias or name) == part:
            found = list(_models(info.annotation))
            kind = value.get("kind") if isinstance(value, Mapping) else None
            return next((one for one in found if _is_of_kind(one, kind)), next(iter(found), None))
    return None


def _is_of_kind(model: type[BaseModel], kind: object) -> bool:
    field = model.model_fields.get("kind")
    return field is not None and kind in getattr(field.annotation, "__args__", ())


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in an annotation, through unions and containers."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def _as_json(value: object) -> Json:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {}
    if isinstance(value, Sequence):
        return []
    return plain(repr(value), 60)
