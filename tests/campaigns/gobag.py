"""Does a go-bag do without everything else? It is packed with its wheels, put alone into a fresh folder,
and installed there in a new environment without any index; then the runbook in it is shown and printed.

    python tests/campaigns/gobag.py [--no-wheels]

Getting the wheels needs pip's index or its cache; what comes after needs neither.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

RUNBOOK = "rental-business"


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    packed: int
    """Exit code of `drbook pack`; 1 where only the shipped runbook's baseline is lacking."""
    checked: int
    shown: str
    """What the installed drbook shows of the packed runbook."""
    wheels: int

    @property
    def holds(self) -> bool:
        return self.checked == 0 and "Rental database deleted" in self.shown


def carried(folder: Path, *, wheels: bool) -> Outcome:
    """Pack, carry away, install, show. Without wheels this very installation shows what was carried."""
    bag = folder / "bag.zip"
    around = {**os.environ, "DRBOOK_HOME": str(folder / "home")}
    drbook = [sys.executable, "-m", "drbook", "pack"]
    options = [] if wheels else ["--no-wheels"]
    packed = subprocess.run([*drbook, RUNBOOK, "-o", str(bag), *options], env=around, check=False)
    checked = subprocess.run([*drbook, "--check", str(bag), RUNBOOK], env=around, check=False)
    alone = folder / "alone"
    with zipfile.ZipFile(bag) as archive:
        archive.extractall(alone)
        count = sum(name.startswith("wheels/") for name in archive.namelist())
    program = [sys.executable, "-m", "drbook"]
    # Nothing of this machine's Python or pip reaches the new one.
    bare = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder / "nobody"),
        "DRBOOK_HOME": str(folder / "new"),
    }
    bare |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/"}
    if wheels:
        venv.create(folder / "venv", with_pip=True)
        pip = [str(folder / "venv" / "bin" / "pip"), "install", "--quiet", "--no-index"]
        subprocess.run(
            [*pip, "--find-links", "wheels", "drbook"], cwd=alone, env=bare, check=True, timeout=600
        )
        program = [str(folder / "venv" / "bin" / "drbook")]
    shown = subprocess.run(
        [*program, "show", "runbook.yaml"],
        cwd=alone,
        env=bare,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return Outcome(packed.returncode, checked.returncode, shown.stdout, count)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-wheels", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drbook-gobag-") as folder:
        outcome = carried(Path(folder), wheels=not given.no_wheels)
    print(outcome.shown)
    print(
        f"{outcome.wheels} wheels; pack ended with {outcome.packed}, its check with {outcome.checked}"
    )
    enough = outcome.holds and (given.no_wheels or outcome.wheels > 20)
    print("holds" if enough else "DOES NOT HOLD")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
