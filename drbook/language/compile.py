"""Texts with `${{ … }}` to compiled expressions. jinja2 only parses; a closed list of nodes is taken."""

from collections.abc import Iterator, Mapping, Sequence

from jinja2 import Environment, TemplateSyntaxError, nodes

from drbook.core.expressions import (
    FILTERS,
    Compare,
    Const,
    Expr,
    Filter,
    Join,
    ListTree,
    Logic,
    MapTree,
    Not,
    Operator,
    Path,
    Tree,
)
from drbook.core.values import Json, plain

MAX_TEXT = 20_000
MAX_LEVELS = 100
"""How deep one expression may nest."""

# Blocks and comments are switched off: their marks are control characters, which YAML cannot hold.
_PARSER = Environment(
    autoescape=False,  # nothing is ever rendered by it
    variable_start_string="${{",
    variable_end_string="}}",
    block_start_string="\x01{",
    block_end_string="}\x02",
    comment_start_string="\x03{",
    comment_end_string="}\x04",
    keep_trailing_newline=True,
)

_OPERATORS: Mapping[str, Operator] = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
    "notin": "not in",
}


class CannotCompile(ValueError):
    """What was found, and what an expression may hold."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected


def _too_deep() -> CannotCompile:
    return CannotCompile("an expression nested too deep", "a simple expression")


def has_expression(text: str) -> bool:
    return "${{" in text


def compile_text(text: str) -> Expr:
    """A scalar: alone, an expression keeps its type; with text around it, texts are joined.

    Raises CannotCompile.
    """
    if not has_expression(text):
        return Const(text)
    if len(text) > MAX_TEXT:
        raise CannotCompile(f"a text of {len(text)} characters with expressions", "at most 20,000")
    try:
        parsed = _PARSER.parse(text)
        parts = tuple(_parts(parsed.body))
    except TemplateSyntaxError as error:
        raise CannotCompile(
            plain(error.message or "a broken expression", 200), "`${{ … }}`"
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except CannotCompile:
        raise
    except ValueError:  # Python reads no number of more than 4300 digits
        raise CannotCompile("a number that is too long", "a shorter number") from None
    for part in parts:
        _check_depth(part)
    return parts[0] if len(parts) == 1 else Join(parts)


def _parts(body: Sequence[nodes.Node]) -> Iterator[Expr]:
    for output in body:
        if not isinstance(output, nodes.Output):
            raise _not_allowed(output)
        for node in output.nodes:
            yield Const(node.data) if isinstance(node, nodes.TemplateData) else _expression(node)


def _check_depth(tree: Expr) -> None:
    """Evaluating recurses: what compiles here must evaluate on any thread's stack."""
    level: list[Expr] = [tree]
    for _ in range(MAX_LEVELS):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise _too_deep()


def _inside(tree: Expr) -> tuple[Expr, ...]:
    match tree:
        case Compare(left, _, right) | Logic(_, left, right):
            return (left, right)
        case Not(inner) | Filter(inner, _, None):
            return (inner,)
        case Filter(inner, _, argument) if argument is not None:
            return (inner, argument)
    return ()


def compile_tree(value: Json) -> Tree:
    """A whole value. Raises CannotCompile at the first text that does not compile."""
    if isinstance(value, str):
        return compile_text(value)
    if isinstance(value, Mapping):
        return MapTree(tuple((key, compile_tree(item)) for key, item in value.items()))
    if isinstance(value, Sequence):
        return ListTree(tuple(compile_tree(item) for item in value))
    return Const(value)


def _expression(node: nodes.Node) -> Expr:
    if isinstance(node, nodes.Const):
        return Const(node.value)
    if isinstance(node, nodes.Name):
        return Path((node.name,))
    if isinstance(node, nodes.Getattr):
        return _attribute(node.node, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        if isinstance(node.arg.value, str):
            return _attribute(node.node, node.arg.value)
        raise CannotCompile("a position in brackets", "a name, like steps.locate.point")
    if isinstance(node, nodes.Compare):
        return _compare(node)
    if isinstance(node, nodes.And):
        return Logic("and", _expression(node.left), _expression(node.right))
    if isinstance(node, nodes.Or):
        return Logic("or", _expression(node.left), _expression(node.right))
    if isinstance(node, nodes.Not):
        return Not(_expression(node.node))
    if isinstance(node, nodes.Filter):
        return _filter(node)
    if isinstance(node, nodes.List | nodes.Tuple):
        items = [_expression(item) for item in node.items]
        if all(isinstance(item, Const) for item in items):
            return Const([item.value for item in items if isinstance(item, Const)])
    raise _not_allowed(node)


def _attribute(inner: nodes.Node, name: str) -> Expr:
    base = _expression(inner)
    if not isinstance(base, Path):
        raise CannotCompile(
            "a field of something that is not a name", "a name, like steps.locate.point"
        )
    return Path((*base.parts, name))


def _compare(node: nodes.Compare) -> Expr:
    result: Expr | None = None
    left = _expression(node.expr)
    for operand in node.ops:
        right = _expression(operand.expr)
        part = Compare(left, _OPERATORS[operand.op], right)
        result = part if result is None else Logic("and", result, part)
        left = right
    assert result is not None  # the parser never makes a comparison without an operand
    return result


def _filter(node: nodes.Filter) -> Expr:
    name = next((known for known in FILTERS if known == node.name), None)
    if name is None or node.node is None:
        raise CannotCompile(f"the filter `{plain(node.name, 40)}`", "one of: " + ", ".join(FILTERS))
    if node.kwargs or node.dyn_args or node.dyn_kwargs:
        raise CannotCompile(f"named arguments of `{name}`", "plain arguments")
    wanted = 1 if name == "default" else 0
    if len(node.args) != wanted:
        raise CannotCompile(f"{len(node.args)} arguments of `{name}`", f"{wanted}")
    argument = _expression(node.args[0]) if node.args else None
    return Filter(_expression(node.node), name, argument)


def _not_allowed(node: nodes.Node) -> CannotCompile:
    words = {
        "Call": "a call",
        "Add": "arithmetic",
        "Sub": "arithmetic",
        "Mul": "arithmetic",
        "Div": "arithmetic",
        "FloorDiv": "arithmetic",
        "Mod": "arithmetic",
        "Pow": "arithmetic",
        "Concat": "the operator ~",
        "CondExpr": "an if inside an expression",
        "Test": "a test with `is`",
    }
    kind = type(node).__name__
    return CannotCompile(
        words.get(kind, f"`{kind.lower()}`"),
        "names, constants, comparisons, and, or, not, and the filters " + ", ".join(FILTERS),
    )
