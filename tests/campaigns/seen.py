"""Which tests run which lines of a module, so that a mutant first meets the tests that can notice it.

It only orders the work: a mutant that these tests let pass meets all tests of its module, for what
runs in another process, or once for many tests, is not seen here.
"""

import ast
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

    def first(self, source: str, line: int) -> list[str]:
        """The tests that ran the statement which holds this line, the quick ones first."""
        begun = _statement(source, line)
        found = {test for number in range(begun, line + 1) for test in self.tests.get(number, ())}
        return sorted(found, key=lambda test: (self.seconds[test], test))[:FIRST]

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


def _statement(source: str, line: int) -> int:
    """The first line of the innermost statement around this one."""
    around = [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(around, default=line)


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
