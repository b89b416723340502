"""Temporary folders of drbook's own: they go with whoever holds them, and stay where somebody wants them."""

import gc
import subprocess
import sys
from pathlib import Path

from drbook.providers.scratch import Scratch, left, remove


def test_a_folder_goes_with_the_last_who_holds_it(tmp_path: Path) -> None:
    held = Scratch("one", str(tmp_path))
    Path(held.name, "file").write_text("x")
    assert len(list(tmp_path.iterdir())) == 1
    del held
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_it_goes_with_the_process(tmp_path: Path) -> None:
    program = "import sys; from drbook.providers.scratch import Scratch; held = Scratch('one', sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_stays_and_may_be_cleaned_up_later(tmp_path: Path) -> None:
    kept = Scratch("one", str(tmp_path))
    path = Path(kept.name)
    assert left(tmp_path) == []
    kept.keep()
    kept.cleanup()
    del kept
    gc.collect()
    assert path.is_dir()
    (found,) = left(tmp_path)
    assert found.path == path
    assert remove(path)
    assert list(tmp_path.iterdir()) == []
