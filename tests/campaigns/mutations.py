"""The small changes that a test should notice: one module's source in, its mutants out.

Changed are comparisons (negated, and their boundary), `and`/`or` (swapped, each operand dropped),
`not`, conditions, numbers, truth values, names and codes in strings, answers and verdicts, returned values, calls made for
their effect, raised errors (dropped, and of another kind), caught errors, elements of sets, lists,
dicts and constant tuples, keyword arguments, bounds of slices, `min`/`max`, and the functions that
make names comparable and text harmless.

Not changed: sentences (a string with a space in it, so neither messages nor SQL), the length at which
a shown text is cut, docstrings, annotations, decorators, imports, assertions, formatted strings.
"""

import ast
from collections import Counter
from dataclasses import dataclass, replace

_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_VERDICTS = {
    "Answer.PASS": "Answer.UNKNOWN",
    "Answer.FAIL": "Answer.UNKNOWN",
    "Answer.UNKNOWN": "Answer.PASS",
    "Basis.OBSERVED": "Basis.DECLARED",
    "Basis.DECLARED": "Basis.OBSERVED",
    "Basis.DERIVED": "Basis.OBSERVED",
    "Basis.NONE": "Basis.OBSERVED",
    "Verdict.INDEPENDENT": "Verdict.UNKNOWN",
    "Verdict.UNKNOWN": "Verdict.INDEPENDENT",
    "Verdict.SHARED": "Verdict.UNKNOWN",
    "Verdict.DESTROYED": "Verdict.UNKNOWN",
    "Verdict.DAMAGED": "Verdict.UNKNOWN",
}
_WRAPPERS = {"plain", "plain_lines", "same_name"}
_METHODS = {"strip", "rstrip", "lstrip", "lower", "upper", "casefold"}
_TEXTS = (ast.JoinedStr, ast.List, ast.ListComp)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. `function` and `change` name it in the table of survivors, the line does not."""

    function: str
    change: str
    line: int
    source: str


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines; keys (function, change) are unique."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    found = sorted(finder.found, key=lambda each: each.line)
    seen: Counter[tuple[str, str]] = Counter()
    unique = []
    for each in found:
        key = (each.function, each.change)
        seen[key] += 1
        unique.append(
            replace(each, change=f"{each.change} [{seen[key]}]") if seen[key] > 1 else each
        )
    return unique


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._scope: list[str] = []
        self._raising = 0
        self._yields = [0]
        self.found: list[Mutant] = []

    # --- noting ---

    def _note(self, node: ast.expr | ast.stmt, text: str, change: str) -> None:
        """The module with `node` replaced by `text`."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        whole = self._bytes[:start] + text.encode() + self._bytes[end:]
        function = ".".join(self._scope) or "<module>"
        self.found.append(Mutant(function, change, node.lineno, whole.decode()))

    def _swap(self, node: ast.expr, other: ast.expr | str) -> None:
        text = other if isinstance(other, str) else ast.unparse(other)
        self._note(node, f"({text})", f"{ast.unparse(node)} → {text}")

    def _drop(self, node: ast.stmt) -> None:
        self._note(node, "pass", f"no {ast.unparse(node)}")

    # --- what is passed over ---

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scope.append(node.name)
        self._yields.append(sum(isinstance(each, ast.Yield) for each in ast.walk(node)))
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)
        self._yields.pop()
        self._scope.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self._scope.pop()

    def visit_Import(self, node: ast.Import) -> None: ...
    def visit_ImportFrom(self, node: ast.ImportFrom) -> None: ...
    def visit_Assert(self, node: ast.Assert) -> None: ...
    def visit_JoinedStr(self, node: ast.JoinedStr) -> None: ...

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.value, ast.Name) and _is_type(node.value.id):
            return
        if isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
            self._swap(node, node.value)
        self.generic_visit(node)

    # --- statements ---

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node.value, ast.Call) or (
            isinstance(node.value, ast.Yield) and self._yields[-1] > 1
        ):
            self._drop(node)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        (target, *_) = node.targets
        if isinstance(target, ast.Name) and target.id in ("__all__", "__slots__"):
            return
        if isinstance(target, ast.Attribute | ast.Subscript):
            self._drop(node)
        if not self._scope and isinstance(node.value, ast.Tuple):
            self._elements(node.value)
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._drop(node)
        self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        self._drop(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            return
        told = isinstance(node.value, ast.Constant) and node.value.value in (None, True, False)
        # A tuple is unpacked by who asked: None in its place breaks loudly and proves nothing.
        if not told and not isinstance(node.value, ast.Tuple):
            self._note(node, "return None", f"return None, not {ast.unparse(node.value)}")
        self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._drop(node)
        if node.exc is not None:
            name = ast.unparse(node.exc).split("(")[0]
            self._note(node, "raise Exception", f"raise Exception, not {name}")
            self._raising += 1
            self.visit(node.exc)
            self._raising -= 1

    def visit_Break(self, node: ast.Break) -> None:
        self._note(node, "continue", "break → continue")

    def visit_Continue(self, node: ast.Continue) -> None:
        self._note(node, "break", "continue → break")

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) == "TYPE_CHECKING" or "__name__" in ast.unparse(node.test):
            return
        self._condition(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        if not isinstance(node.test, ast.Constant):
            self._condition(node.test)
            self.generic_visit(node)
        else:
            for statement in node.body:
                self.visit(statement)

    def visit_For(self, node: ast.For) -> None:
        if isinstance(node.iter, ast.Tuple):
            self._elements(node.iter)
        self.visit(node.iter)
        for statement in (*node.body, *node.orelse):
            self.visit(statement)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self._note(node.type, "()", f"no except {ast.unparse(node.type)}")
            if isinstance(node.type, ast.Tuple):
                self._elements(node.type)
        for statement in node.body:
            self.visit(statement)

    # --- expressions ---

    def _condition(self, test: ast.expr) -> None:
        if not isinstance(test, ast.Compare | ast.BoolOp) and not _is_not(test):
            self._swap(test, ast.UnaryOp(ast.Not(), test))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        other = _VERDICTS.get(ast.unparse(node))
        if other is not None:
            self._swap(node, other)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        if isinstance(node.iter, ast.Tuple):
            self._elements(node.iter)
        self.visit(node.iter)
        for test in node.ifs:
            self._condition(test)
            self.visit(test)

    def visit_Compare(self, node: ast.Compare) -> None:
        for table in (_NEGATED, _BOUNDARY):
            for index, op in enumerate(node.ops):
                if type(op) in table:
                    ops = [*node.ops[:index], table[type(op)](), *node.ops[index + 1 :]]
                    self._swap(node, ast.Compare(node.left, ops, node.comparators))
        for each in node.comparators:
            if isinstance(each, ast.Tuple):
                self._elements(each)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._swap(node, ast.BoolOp(other, node.values))
        for index in range(len(node.values)):
            rest = [*node.values[:index], *node.values[index + 1 :]]
            self._swap(node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._swap(node, node.operand)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not any(_is_text(each) for each in (node.left, node.right)):
            op = _ARITHMETIC.get(type(node.op))
            if op is not None:
                self._swap(node, ast.BinOp(node.left, op(), node.right))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._swap(node, repr(not value))
        elif isinstance(value, int | float):
            self._swap(node, repr(value + 1))
        elif isinstance(value, str) and not any(character.isspace() for character in value):
            self._swap(node, repr(value + "X"))

    def visit_Set(self, node: ast.Set) -> None:
        self._elements(node)
        self.generic_visit(node)

    def visit_List(self, node: ast.List) -> None:
        self._elements(node)
        self.generic_visit(node)

    def _elements(self, node: ast.Set | ast.List | ast.Tuple) -> None:
        make = type(node)
        for index, element in enumerate(node.elts):
            rest = [*node.elts[:index], *node.elts[index + 1 :]]
            kept = make(elts=rest) if make is ast.Set else make(elts=rest, ctx=ast.Load())  # type: ignore[call-arg]
            text = ast.unparse(kept) if rest or make is not ast.Set else "set()"
            self._note(node, text, f"without {ast.unparse(element)}")

    def visit_Dict(self, node: ast.Dict) -> None:
        for index, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            rest = ast.Dict(
                [*node.keys[:index], *node.keys[index + 1 :]],
                [*node.values[:index], *node.values[index + 1 :]],
            )
            name = ast.unparse(key) if key is not None else f"**{ast.unparse(value)}"
            self._note(node, ast.unparse(rest), f"without {name}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        if name in _WRAPPERS and node.args:
            self._swap(node, node.args[0])
            self.visit(node.args[0])  # not the length at which a text is cut
            return
        if name in _METHODS and isinstance(called, ast.Attribute):
            self._swap(node, called.value)
        elif name in ("min", "max") and isinstance(called, ast.Name):
            other = ast.Name("max" if name == "min" else "min")
            self._swap(node, ast.Call(other, node.args, node.keywords))
        model = isinstance(called, ast.Name) and called.id[:1].isupper()
        if not self._raising and not model:
            for index, keyword in enumerate(node.keywords):
                if keyword.arg is not None and not isinstance(keyword.value, ast.Constant):
                    rest = [*node.keywords[:index], *node.keywords[index + 1 :]]
                    text = ast.unparse(ast.Call(called, node.args, rest))
                    self._note(node, text, f"{ast.unparse(called)} without {ast.unparse(keyword)}")
        self.generic_visit(node)


def _is_not(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _is_type(name: str) -> bool:
    return name[:1].isupper() or name in ("frozenset", "tuple", "list", "dict", "type")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, _TEXTS) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
