"""Compiled expressions: a small closed tree, evaluated once against plain values.

There are no calls, no arithmetic and no second evaluation, so text that comes out of a step can
never become code. What a name may reach is decided by the scope that is passed in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from drbook.core.errors import StepFailed
from drbook.core.values import Json


@dataclass(frozen=True, slots=True)
class Const:
    value: Json


@dataclass(frozen=True, slots=True)
class Path:
    """A name and the attributes that follow it, like `steps.locate.point`."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts)


Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


@dataclass(frozen=True, slots=True)
class Compare:
    left: "Expr"
    operator: Operator
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` and `or`; both sides must be booleans."""

    operator: Literal["and", "or"]
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Not:
    inner: "Expr"


FilterName = Literal["length", "lower", "upper", "trim", "default"]
FILTERS: tuple[FilterName, ...] = ("length", "lower", "upper", "trim", "default")


@dataclass(frozen=True, slots=True)
class Filter:
    inner: "Expr"
    name: FilterName
    argument: "Expr | None" = None


@dataclass(frozen=True, slots=True)
class Join:
    """Text with expressions in it."""

    parts: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class ListTree:
    items: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class MapTree:
    items: tuple[tuple[str, "Tree"], ...]


Expr = Const | Path | Compare | Logic | Not | Filter | Join
Tree = Expr | ListTree | MapTree


class ExpressionError(StepFailed):
    """An expression met a value that it cannot work with."""

    code = "expression"


def evaluate(tree: Tree, scope: Mapping[str, Json]) -> Json:
    """The value of a tree. Raises ExpressionError for what is missing or of the wrong type."""
    match tree:
        case Const(value):
            return value
        case ListTree(items):
            return [evaluate(item, scope) for item in items]
        case MapTree(pairs):
            return {key: evaluate(item, scope) for key, item in pairs}
        case Path():
            return _look_up(tree, scope)
        case Compare(left, operator, right):
            return _compare(evaluate(left, scope), operator, evaluate(right, scope))
        case Logic(operator, left, right):
            first = _boolean(evaluate(left, scope), operator)
            if first == (operator == "or"):
                return first
            return _boolean(evaluate(right, scope), operator)
        case Not(inner):
            return not _boolean(evaluate(inner, scope), "not")
        case Filter():
            return _filter(tree, scope)
        case Join(parts):
            return "".join(_as_text(evaluate(part, scope)) for part in parts)


def paths(tree: Tree, *, needed: bool = False) -> Iterator[Path]:
    """Every path that the tree mentions; with `needed`, only those that have to be there: where `default` is
    applied to one, something else stands in for it."""
    match tree:
        case Path():
            yield tree
        case Compare(left, _, right) | Logic(_, left, right):
            yield from paths(left, needed=needed)
            yield from paths(right, needed=needed)
        case Not(inner):
            yield from paths(inner, needed=needed)
        case Filter(inner, name, argument):
            if not (needed and name == "default"):
                yield from paths(inner, needed=needed)
            if argument is not None:
                yield from paths(argument, needed=needed)
        case Join(parts):
            for part in parts:
                yield from paths(part, needed=needed)
        case ListTree(items):
            for item in items:
                yield from paths(item, needed=needed)
        case MapTree(pairs):
            for _, value in pairs:
                yield from paths(value, needed=needed)
        case Const():
            return


def is_constant(tree: Tree) -> bool:
    """True where nothing in the tree has to be looked up."""
    match tree:
        case Const():
            return True
        case ListTree(items):
            return all(is_constant(item) for item in items)
        case MapTree(pairs):
            return all(is_constant(item) for _, item in pairs)
        case _:
            return False


def _look_up(path: Path, scope: Mapping[str, Json]) -> Json:
    value: Json = scope
    seen: list[str] = []
    for part in path.parts:
        if not isinstance(value, Mapping) or part not in value:
            where = ".".join(seen) or "the expression's names"
            known = ", ".join(sorted(value)) if isinstance(value, Mapping) else ""
            raise ExpressionError(
                f"`{path}` cannot be read: {where} has no `{part}`.",
                means="The step was not started.",
                next=f"It has: {known}." if known else f"`{where}` is not a mapping.",
            )
        value = value[part]
        seen.append(part)
    return value


def _boolean(value: Json, operator: str) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(
            f"`{operator}` needs true or false, and met {_kind(value)}.",
            means="The step was not started.",
            next="Compare the value with something first, like `… == 'yes'`.",
        )
    return value


def _compare(left: Json, operator: Operator, right: Json) -> bool:
    if operator == "==":
        return _same(left, right)
    if operator == "!=":
        return not _same(left, right)
    if operator in ("in", "not in"):
        inside = _inside(left, right)
        return inside if operator == "in" else not inside
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if isinstance(left, bool) or isinstance(right, bool):
        numbers = False
    if numbers or (isinstance(left, str) and isinstance(right, str)):
        order = (left > right) - (left < right)  # type: ignore[operator]
        return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]
    raise ExpressionError(
        f"`{operator}` cannot compare {_kind(left)} with {_kind(right)}.",
        means="The step was not started.",
        next="Compare numbers with numbers and texts with texts.",
    )


def _same(left: Json, right: Json) -> bool:
    """Equality without Python's `True == 1`."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return left == right


def _inside(left: Json, right: Json) -> bool:
    if isinstance(right, str):
        return isinstance(left, str) and left in right
    if isinstance(right, Mapping):
        return isinstance(left, str) and left in right
    if isinstance(right, Sequence):
        return any(_same(left, item) for item in right)
    raise ExpressionError(f"`in` needs a list, a mapping or a text, and met {_kind(right)}.")


def _filter(tree: Filter, scope: Mapping[str, Json]) -> Json:
    if tree.name == "default":
        try:
            value = evaluate(tree.inner, scope)
        except ExpressionError:
            value = None
        if value is None and tree.argument is not None:
            return evaluate(tree.argument, scope)
        return value
    value = evaluate(tree.inner, scope)
    if tree.name == "length":
        if isinstance(value, str | Mapping | Sequence):
            return len(value)
        raise ExpressionError(
            f"`length` needs a list, a mapping or a text, and met {_kind(value)}."
        )
    if not isinstance(value, str):
        raise ExpressionError(f"`{tree.name}` needs a text, and met {_kind(value)}.")
    return {"lower": value.lower, "upper": value.upper, "trim": value.strip}[tree.name]()


def _as_text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ExpressionError(
        f"{_kind(value)} cannot stand inside a text.",
        next="Use the expression alone as the value, or name one of its fields.",
    )


def _kind(value: Json) -> str:
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, int | float):
        return "a number"
    return "a mapping" if isinstance(value, Mapping) else "a list"
