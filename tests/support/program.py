"""The command line in a process of its own."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self):  # type: ignore[no-untyped-def]
        return json.loads(self.out)


class Drbook:
    """`drbook` as installed beside this interpreter, with a state directory of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "TMPDIR")
            if name in os.environ
        } | {"DRBOOK_HOME": str(home), "DRBOOK_OPERATOR": "alice"}
        self.program = [sys.executable, "-m", "drbook"]

    def start(
        self, *arguments: str, cwd: Path | None = None, **environment: str
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self.program, *arguments],
            env=self.environment | environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(
        self, *arguments: str, timeout: float = 120, cwd: Path | None = None, **environment: str
    ) -> Ran:
        with self.start(*arguments, cwd=cwd, **environment) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            finally:
                process.kill()
        return Ran(process.returncode, out, err)


_AS_EVERYBODY = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH; see prctl(2), PR_CAPBSET_DROP
        if ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) != 0:
            sys.exit("the power over files cannot be dropped")
os.execv(sys.argv[1], sys.argv[1:])
"""


def heeding_permissions(drbook: Drbook) -> Drbook:
    """The same program, for which the permissions of files hold even where the tests run as root."""
    made = Drbook(drbook.home)
    made.program = [sys.executable, "-c", _AS_EVERYBODY, *drbook.program]
    return made


_HURRIED = """
import importlib, runpy, sys
for setting in sys.argv.pop(1).split(","):
    place, value = setting.split("=")
    module, name = place.split(":")
    setattr(importlib.import_module(module), name, int(value))
runpy.run_module("drbook", run_name="__main__", alter_sys=True)
"""


def hurried(drbook: Drbook, *seconds: str) -> Drbook:
    """The same program with less patience, as in `drbook.app.steps:GRACE=3`: what is shown is that a wait ends
    and what is said then, not how long it is."""
    made = Drbook(drbook.home)
    made.program = [sys.executable, "-c", _HURRIED, ",".join(seconds)]
    return made


class PeakMemory:
    """The most memory that a process has held resident, by the kernel's own account."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self.mebibytes = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            for line in lines:
                if line.startswith("VmHWM:"):  # the high-water mark; it never falls
                    self.mebibytes = int(line.split()[1]) / 1024

    def end(self) -> float:
        self._ended.set()
        self._thread.join()
        return self.mebibytes
