"""Which tests run which lines of a module, so that a mutant first meets the tests that can notice it.

It only orders the work: a mutant that these tests let pass meets all tests of its module, for what
runs in another process, or once for many tests, is not seen here.
"""

import ast
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest

FIRST = 30
"""At most as many tests are tried first; more would cost about what all of them do."""


@dataclass(frozen=True)
class Limit:
    """Seconds: for all of some tests, and for the time in which none of them ends."""

    whole: float
    silence: float


@dataclass(frozen=True)
class Seen:
    """The seconds of each test, and for one module the tests that ran each of its lines."""

    seconds: Mapping[str, float]
    tests: Mapping[int, Sequence[str]]

    def first(self, source: str, line: int, keen: Collection[str] = ()) -> list[str]:
        """Some of the tests that can notice a change of this line."""
        return self.noticing(source, line, keen)[:FIRST]

    def noticing(self, source: str, line: int, keen: Collection[str] = ()) -> list[str]:
        """The tests that ran the statement which holds this line, or what reads the names that it binds:
        the `keen` ones first, which noticed other mutants, then the quick ones."""
        lines = _concerned(ast.parse(source), line)
        found = {test for number in lines for test in self.tests.get(number, ())}
        return sorted(found, key=lambda test: (test not in keen, self.seconds[test], test))

    def limit(self, tests: Sequence[str]) -> "Limit":
        """How long these may take before they count as hanging."""
        each = [self.seconds[test] for test in tests]
        return Limit(10 + 3 * sum(each), 15 + 4 * max(each, default=0))

    @classmethod
    def read(cls, written: Iterable[Path], module: Path) -> "Seen":
        """What was seen of one module, from what a `Watcher` wrote of each of its files of tests."""
        seconds: dict[str, float] = {}
        tests: dict[int, list[str]] = {}
        for path in written:
            found = json.loads(path.read_text(encoding="utf-8"))
            seconds |= found["seconds"]
            for line, names in found["tests"].get(str(module), {}).items():
                tests.setdefault(int(line), []).extend(names)
        return cls(seconds, tests)


def _concerned(tree: ast.Module, line: int) -> set[int]:
    """The lines of the innermost statement around this one, up to it; where the module runs that once,
    for everybody, also those that read what it binds."""
    inside = {
        node
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in each.body
        for node in ast.walk(statement)
    }
    found: set[int] = set()
    waiting = [(_innermost(tree, line), line)]
    known: set[ast.stmt] = set()
    while waiting:
        statement, last = waiting.pop()
        if statement is None or statement in known:
            continue
        known.add(statement)
        found |= set(range(statement.lineno, last + 1))
        if statement not in inside:
            waiting += [(each, each.end_lineno or last) for each in _readers(tree, statement)]
    return found


def _readers(tree: ast.Module, binding: ast.stmt) -> Iterator[ast.stmt]:
    """The statements that read what this one binds; of a function or class those in it too."""
    if isinstance(binding, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names = {binding.name}
        yield from binding.body
    else:
        stored = (node for node in ast.walk(binding) if isinstance(node, ast.Name))
        names = {node.id for node in stored if isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        read = (isinstance(node, ast.Name) and node.id in names) or (
            isinstance(node, ast.Attribute) and node.attr in names
        )
        if read and isinstance(node.ctx, ast.Load):
            reader = _innermost(tree, node.lineno)
            if reader is not None and reader is not binding:
                yield reader


def _innermost(tree: ast.Module, line: int) -> ast.stmt | None:
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(around, key=lambda node: node.lineno, default=None)


class Failed:
    """A plug-in of pytest's that writes the name of the test that failed first into a file."""

    def __init__(self, written: Path) -> None:
        self._written = written

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._written.exists():
            self._written.write_text(report.nodeid, encoding="utf-8")


class Watcher:
    """A plug-in of pytest's that notes which test runs which lines of a package."""

    def __init__(self, copy: Path, package: str, written: Path) -> None:
        """`copy` is the folder that holds the package, by whose paths its modules are named."""
        self._copy = copy.resolve()
        self._written = written
        self._coverage = coverage.Coverage(
            data_file=None,
            include=[str(self._copy / package / "*")],
            config_file=False,
            messages=False,
        )
        self._seconds: dict[str, float] = {}

    def pytest_sessionstart(self) -> None:
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        spent = self._seconds.get(report.nodeid, 0.0)
        self._seconds[report.nodeid] = spent + report.duration

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        tests = {
            str(Path(file).relative_to(self._copy)): {
                line: [test for test in found if test in self._seconds]
                for line, found in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        found = {"seconds": self._seconds, "tests": tests}
        self._written.write_text(json.dumps(found), encoding="utf-8")
