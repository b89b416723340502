"""Run a module's tests against changed copies of the package, several at a time."""

import compileall
import contextlib
import ctypes
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import TypeVar

import psutil
import pytest

from campaigns.mutations import Mutant
from campaigns.seen import Seen, Watcher

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
        self, tests: Sequence[str], limit: float, plugins: Sequence[object] = ()
    ) -> tuple[str, str]:
        """Run these tests: (`killed`, `timeout`, `survived`, `broken` where no test of them failed and yet
        not all passed; what pytest printed)."""
        log = self.folder / "log"
        pid = os.fork()
        if pid == 0:
            try:
                code = self._pytest(tests, log, plugins)
            except BaseException:  # noqa: BLE001 - this process ends here, whatever it was
                log.write_text(traceback.format_exc(), encoding="utf-8")
                code = 3
            os._exit(code)
        end = _wait(pid, limit)
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
        for plugin in ("cacheprovider", "xdist", "cov", "anyio"):
            options += ["-p", f"no:{plugin}"]
        # Rewriting the tests for good messages takes longer than they do.
        options += ["--assert=plain"]
        # Imported before, on purpose.
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        return int(pytest.main([*options, *tests], [*plugins]))


_ENDS = {0: "survived", 1: "killed"}
"""By pytest's exit codes. Others: the tests could not be read, were not found, or took pytest with them."""


def _wait(pid: int, limit: float) -> str:
    until = time.monotonic() + limit
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return _ENDS.get(os.waitstatus_to_exitcode(status), "broken")
        time.sleep(0.01)
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
    place: Place, chosen: Sequence[tuple[str, Mutant]], jobs: int, told: Callable[[Tried], None]
) -> list[Tried]:
    """Try the mutants, `jobs` at a time. Raises Unfit."""
    for name in _HEAVY if place.package == "drbook" else ():
        importlib.import_module(name)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    modules = list(dict.fromkeys(module for module, _ in chosen))
    with tempfile.TemporaryDirectory(prefix="m") as name:
        base = Path(name)
        base.chmod(0o711)  # servers that run as nobody pass through
        copies = [Copy(place, base / str(number)) for number in range(jobs)]
        found: dict[str, str] = {}
        for index, problem in _spread(copies, modules, lambda copy, m: _watch(place, copy, m)):
            found[modules[index]] = problem
        bad = [found.get(module, f"{module}: its tests were not run.") for module in modules]
        if any(bad):
            raise Unfit("\n".join(filter(None, bad)))
        tried = []

        def trial(copy: Copy, each: tuple[str, Mutant]) -> str:
            return _try(place, copy, *each)

        for index, end in _spread(copies, chosen, trial):
            tried.append(Tried(*chosen[index], end))
            told(tried[-1])
    if len(tried) != len(chosen):
        raise Unfit(f"Only {len(tried)} of {len(chosen)} mutants were tried: a worker ended early.")
    return tried


def _watch(place: Place, copy: Copy, module: str) -> str:
    """Run a module's tests unchanged, and see who runs which line; why nothing can be told, or ``.``"""
    try:
        tests = place.tests(module)
    except Unfit as error:
        return str(error)
    seen = _seen(copy, module)
    seen.unlink(missing_ok=True)
    end, text = copy.test(tests, 900, [Watcher(copy.folder / file_of(module), seen)])
    if end != "survived":
        return f"{module}: its tests fail without a change.\n{text[-3000:]}"
    with copy.changed(module, "raise ImportError('this module is gone')\n"):
        end, _ = copy.test(tests, Seen.read(seen).limit(list(Seen.read(seen).seconds)))
    return f"{module}: its tests pass where the module is gone." if end == "survived" else ""


def _seen(copy: Copy, module: str) -> Path:
    """Beside the copies, for all workers."""
    return copy.folder.parent / f"{module}.json"


def _try(place: Place, copy: Copy, module: str, mutant: Mutant) -> str:
    """First the tests that run the changed line, then all."""
    seen = Seen.read(_seen(copy, module))
    first = seen.first(place.source(module), mutant.line)
    with copy.changed(module, mutant.source):
        end = copy.test(first, seen.limit(first))[0] if first else "survived"
        if end in ("survived", "broken"):
            end, _ = copy.test(place.tests(module), seen.limit(list(seen.seconds)))
    return "killed" if end == "broken" else end


def _spread(
    copies: Sequence[Copy], items: Sequence[Item], do: Callable[[Copy, Item], str]
) -> Iterator[tuple[int, str]]:
    """Do it to every item, each worker with a copy of its own; (index, answer) as they come."""
    reading, writing = os.pipe()
    work = list(enumerate(items))
    workers = [
        _worker(copy, work[number :: len(copies)], do, writing)
        for number, copy in enumerate(copies)
    ]
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as results:
        for line in results:
            index, answer = json.loads(line)
            yield index, answer
    for pid in workers:
        os.waitpid(pid, 0)


def _worker(
    copy: Copy,
    work: Sequence[tuple[int, Item]],
    do: Callable[[Copy, Item], str],
    results: int,
) -> int:
    """A process of its own that does its share and writes a line for each; returns its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        for index, item in work:
            answer = do(copy, item)
            os.write(results, f"{json.dumps([index, answer])}\n".encode())
    except BaseException:  # noqa: BLE001 - this process ends here; what is missing is missed
        traceback.print_exc()
    finally:
        _end_descendants()
        os._exit(0)
