"""Run a module's tests against changed copies of the package, several at a time."""

import compileall
import contextlib
import ctypes
import importlib
import json
import os
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import TypeVar

import psutil
import pytest

from campaigns.mutations import Mutant
from campaigns.seen import Failed, Limit, Seen, Watcher

_HEAVY = (
    "boto3",
    "botocore.session",
    "httpx",
    "hypothesis",
    "jinja2",
    "psycopg",
    "pydantic",
    "yaml",
)
"""Imported once, before the runs part from this process."""
_SUBREAPER = 36

KEEN = 12
"""How many tests that noticed a mutant are remembered, by each worker for each module."""

Item = TypeVar("Item")


class Unfit(Exception):
    """The tests fail unchanged, or do not notice that the module is gone: nothing can be told."""


@dataclass(frozen=True)
class Place:
    """What is changed, and where its tests are."""

    project: Path
    package: str
    modules: Mapping[str, Sequence[str]]
    table: Path
    elsewhere: frozenset[str] = frozenset()
    """Modules that run in processes of their own, where nobody sees which test runs which line."""

    def tests(self, module: str) -> list[str]:
        """The files of a module's tests. Raises Unfit where there are none."""
        found = [
            str(path)
            for pattern in self.modules[module]
            for path in sorted(self.project.glob(pattern))
            if path.name != "conftest.py"
        ]
        if not found:
            raise Unfit(f"{module}: nobody tests it ({', '.join(self.modules[module])}).")
        return found

    def source(self, module: str) -> str:
        return (self.project / file_of(module)).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Tried:
    """A mutant and how it ended: `killed`, `timeout` or `survived`."""

    module: str
    mutant: Mutant
    end: str


def file_of(module: str) -> Path:
    return Path(*module.split(".")).with_suffix(".py")


# --- one run of tests against a changed copy ---------------------------------------------------


class Copy:
    """A copy of the package in which one module at a time is replaced."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._place = place
        self.folder = folder
        self._failed = folder / "failed"
        source = place.project / place.package
        shutil.copytree(
            source, folder / place.package, ignore=shutil.ignore_patterns("__pycache__")
        )
        # Compiled once; the times of files that are replaced within a second would mislead.
        compileall.compile_dir(
            folder / place.package, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
        )

    @contextlib.contextmanager
    def changed(self, module: str, source: str) -> Iterator[None]:
        path = self.folder / file_of(module)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
        path.write_text(source, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(self._place.source(module), encoding="utf-8")

    def test(
        self, tests: Sequence[str], limit: Limit, plugins: Sequence[object] = ()
    ) -> tuple[str, str]:
        """Run these tests: (`killed`, `timeout`, `survived`, `broken` where no test of them failed and yet
        not all passed; what pytest printed)."""
        log = self.folder / "log"
        self._failed.unlink(missing_ok=True)
        pid = os.fork()
        if pid == 0:
            try:
                code = self._pytest(tests, log, plugins)
            except BaseException:  # noqa: BLE001 - this process ends here, whatever it was
                log.write_text(traceback.format_exc(), encoding="utf-8")
                code = 3
            os._exit(code)
        end = _wait(pid, limit, log)
        _end_descendants()
        shutil.rmtree(self.folder / "t", ignore_errors=True)
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        return end, text

    def _pytest(self, tests: Sequence[str], log: Path, plugins: Sequence[object]) -> int:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number, target in ((0, null), (1, out), (2, out)):
            os.dup2(target, number)
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(self.folder))
        os.environ["PYTHONPATH"] = str(self.folder)
        # Else a test's own `python -c` would find the unchanged package in the current folder.
        os.environ["PYTHONSAFEPATH"] = "1"
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(self.folder / "hypothesis")
        os.chdir(self._place.project)
        options = ["-x", "-q", "--import-mode=importlib", "-o", "addopts="]
        options += [f"--basetemp={self.folder / 't'}", f"--rootdir={self._place.project}"]
        # What only tells, or tidies up, takes a third of the time.
        options += [] if plugins else ["--tb=no"]
        for plugin in ("cacheprovider", "xdist", "cov", "anyio", "unraisableexception"):
            options += ["-p", f"no:{plugin}"]
        # The same examples each time: a mutant is not killed by luck.
        options += ["--hypothesis-seed=1"]
        # Rewriting the tests for good messages takes longer than they do.
        options += ["--assert=plain"]
        # Imported before, on purpose.
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        return int(pytest.main([*options, *tests], [Failed(self._failed), *plugins]))

    def failed(self) -> str:
        """The test of the last run that failed; empty where none did."""
        return self._failed.read_text(encoding="utf-8") if self._failed.exists() else ""


_ENDS = {0: "survived", 1: "killed"}
"""By pytest's exit codes. Others: the tests could not be read, were not found, or took pytest with them."""


def _wait(pid: int, limit: Limit, log: Path) -> str:
    """How it ended. Each test that ends writes a mark into the log."""
    now = heard = time.monotonic()
    until, size = now + limit.whole, -1
    while now < until and now - heard < limit.silence:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return _ENDS.get(os.waitstatus_to_exitcode(status), "broken")
        time.sleep(0.01)
        now = time.monotonic()
        written = log.stat().st_size if log.exists() else 0
        if written != size:
            size, heard = written, now
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "timeout"


def _end_descendants() -> None:
    """What a changed launcher left running has become ours, being the reaper of our descendants."""
    for _ in range(20):
        left = psutil.Process().children(recursive=True)
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not left:
            return
        time.sleep(0.02)


# --- many of them ------------------------------------------------------------------------------


def campaign(
    place: Place,
    chosen: Sequence[tuple[str, Mutant]],
    jobs: int,
    told: Callable[[Tried], None],
    *,
    near: bool = False,
) -> tuple[list[Tried], dict[str, str]]:
    """Try the mutants, `jobs` at a time; also the modules whose tests can tell nothing, and why.

    `near`: a mutant meets only the tests that are seen to run its line, where there are any. Another
    might have noticed it: what is killed is killed, and what survives may be killed by all tests."""
    for name in _HEAVY if place.package == "drbook" else ():
        importlib.import_module(name)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="m") as name:
        base = Path(name)
        base.chmod(0o711)  # servers that run as nobody pass through
        trial = Trial(place, [Copy(place, base / str(number)) for number in range(jobs)], near)
        unfit = trial.look(list(dict.fromkeys(module for module, _ in chosen)))
        able = [each for each in chosen if each[0] not in unfit]
        tried = []
        for index, end in _spread(trial.copies, able, trial.end_of):
            tried.append(Tried(*able[index], end))
            told(tried[-1])
    if len(tried) != len(able):
        missed = {module for module, _ in able} - {each.module for each in tried}
        why = f"only {len(tried)} of {len(able)} mutants were tried: a worker ended early"
        unfit |= dict.fromkeys(missed or {able[-1][0]}, why)
    return tried, unfit


class Trial:
    """What was seen of the tests, and what becomes of a mutant by them."""

    def __init__(self, place: Place, copies: Sequence[Copy], near: bool) -> None:
        self.place, self.copies, self._near = place, copies, near
        self._seen: dict[str, Seen] = {}
        self._keen: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=KEEN))

    def look(self, modules: Sequence[str]) -> dict[str, str]:
        """Run every file of tests once, and see which test runs which line; the modules of which nothing
        can be told, and why. Raises Unfit for one that nobody tests."""
        files = sorted({file for module in modules for file in self.place.tests(module)})
        broken = self._problems(files, self._watch)
        unfit = {}
        for module in modules:
            tests = self.place.tests(module)
            if bad := [f"{file}: {broken[file]}" for file in tests if file in broken]:
                unfit[module] = "\n".join(bad)
            else:
                written = [self._written(file) for file in tests]
                self._seen[module] = Seen.read(written, file_of(module))
        return unfit | self._problems([each for each in modules if each not in unfit], self._gone)

    def _problems(self, items: Sequence[str], do: Callable[[Copy, str], str]) -> dict[str, str]:
        problems = dict.fromkeys(items, "a worker ended early")
        for index, problem in _spread(self.copies, items, do):
            problems[items[index]] = problem
        return {item: problem for item, problem in problems.items() if problem}

    def _written(self, file: str) -> Path:
        """What was seen of a file of tests: beside the copies, for all workers."""
        name = str(Path(file).relative_to(self.place.project)).replace(os.sep, "~")
        return self.copies[0].folder.parent / f"{name}.json"

    def _watch(self, copy: Copy, file: str) -> str:
        watcher = Watcher(copy.folder, self.place.package, self._written(file))
        end, text = copy.test([file], Limit(900, 300), [watcher])
        return "" if end == "survived" else f"its tests fail without a change.\n{text[-3000:]}"

    def _gone(self, copy: Copy, module: str) -> str:
        with copy.changed(module, "raise ImportError('this module is gone')\n"):
            end, _ = copy.test(self.place.tests(module), self._limit(module))
        return "its tests pass where the module is gone." if end == "survived" else ""

    def _limit(self, module: str) -> Limit:
        seen = self._seen[module]
        return seen.limit(list(seen.seconds))

    def end_of(self, copy: Copy, one: tuple[str, Mutant]) -> str:
        """First the tests that run the changed line, those that noticed others before the rest; then all."""
        module, mutant = one
        seen = self._seen[module]
        keen = self._keen[module]
        source = self.place.source(module)
        near = self._near and module not in self.place.elsewhere
        noticing = seen.noticing if near else seen.first
        first = noticing(source, mutant.line, keen)
        enough = near and bool(first)
        first = first or list(keen)
        with copy.changed(module, mutant.source):
            end = copy.test(first, seen.limit(first))[0] if first else "survived"
            if end == "broken" or (end == "survived" and not enough):
                end, _ = copy.test(self.place.tests(module), self._limit(module))
        if (failed := copy.failed()) in seen.seconds and failed not in keen:
            keen.append(failed)
        return "killed" if end == "broken" else end


_NUMBER = struct.Struct("I")


def _spread(
    copies: Sequence[Copy], items: Sequence[Item], do: Callable[[Copy, Item], str]
) -> Iterator[tuple[int, str]]:
    """Do it to every item, each worker with a copy of its own; (index, answer) as they come."""
    reading, writing = os.pipe()
    taking, giving = os.pipe()  # whoever is free takes the next number
    workers = [_worker(copy, items, do, (taking, giving), writing) for copy in copies]
    os.close(writing)
    os.close(taking)

    def give() -> None:
        with os.fdopen(giving, "wb", buffering=0) as stream, contextlib.suppress(BrokenPipeError):
            for index in range(len(items)):
                stream.write(_NUMBER.pack(index))

    threading.Thread(target=give, daemon=True).start()
    with os.fdopen(reading, encoding="utf-8") as results:
        for line in results:
            index, answer = json.loads(line)
            yield index, answer
    for pid in workers:
        os.waitpid(pid, 0)


def _worker(
    copy: Copy,
    items: Sequence[Item],
    do: Callable[[Copy, Item], str],
    work: tuple[int, int],
    results: int,
) -> int:
    """A process of its own that takes number by number and writes a line for each; returns its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        taking, giving = work
        os.close(giving)
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        while number := os.read(taking, _NUMBER.size):
            (index,) = _NUMBER.unpack(number)
            answer = do(copy, items[index])
            os.write(results, f"{json.dumps([index, answer])}\n".encode())
    except BaseException:  # noqa: BLE001 - this process ends here; what is missing is missed
        traceback.print_exc()
    finally:
        _end_descendants()
        os._exit(0)
