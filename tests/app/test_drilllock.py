"""Two rehearsals of one runbook do not overlap; a killed one leaves nothing that is in the way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drbook.app.drilllock import one_rehearsal
from drbook.app.places import Home
from drbook.core.errors import ExitCode, Rehearsed

HOLD = """
import sys, time
from pathlib import Path
from drbook.app.drilllock import one_rehearsal
from drbook.app.places import Home
with one_rehearsal(Home(Path(sys.argv[1])), "Shop"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_says_who_runs_and_a_killed_one_is_taken_over(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Rehearsed) as refused, one_rehearsal(home, "Shop"):
            raise AssertionError
        assert f"process {other.pid} of uid {os.geteuid()}, since 20" in refused.value.what
        assert refused.value.exit_code is ExitCode.REHEARSED
        with one_rehearsal(home, "Another"):
            pass
        os.kill(other.pid, signal.SIGKILL)
    for _ in range(2):
        with one_rehearsal(home, "Shop"):
            pass
