"""Which tests run which lines of a module, so that a mutant first meets the tests that can notice it.

It only orders the work: a mutant that these tests let pass meets all tests of its module, for what
runs in another process, or once for many tests, is not seen here.
"""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest

FIRST = 30
"""At most as many tests are tried first; more would cost about what all of them do."""


@dataclass(frozen=True)
class Seen:
    """The seconds of each test, and the tests that ran each line."""

    seconds: Mapping[str, float]
    tests: Mapping[int, Sequence[str]]

    def first(self, source: str, line: int) -> list[str]:
        """The tests that ran the statement which holds this line, the quick ones first."""
        begun = _statement(source, line)
        found = {test for number in range(begun, line + 1) for test in self.tests.get(number, ())}
        return sorted(found, key=lambda test: (self.seconds[test], test))[:FIRST]

    def limit(self, tests: Sequence[str]) -> float:
        """Seconds that these may take before they count as hanging."""
        return 10 + 3 * sum(self.seconds[test] for test in tests)

    @classmethod
    def read(cls, path: Path) -> "Seen":
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(found["seconds"], {int(line): each for line, each in found["tests"].items()})


def _statement(source: str, line: int) -> int:
    """The first line of the innermost statement around this one."""
    around = [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(around, default=line)


class Watcher:
    """A plug-in of pytest's that notes, for one file of the package, what runs its lines."""

    def __init__(self, module: Path, written: Path) -> None:
        self._module = str(module.resolve())
        self._written = written
        self._coverage = coverage.Coverage(
            data_file=None, include=[self._module], config_file=False, messages=False
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
        lines = data.contexts_by_lineno(self._module)
        tests = {
            line: sorted(test for test in found if test in self._seconds)
            for line, found in lines.items()
        }
        found = {"seconds": self._seconds, "tests": tests}
        self._written.write_text(json.dumps(found), encoding="utf-8")
