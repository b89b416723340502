"""drbook's own memory does not depend on how much it restores; on the screen, how far it is, how fast
and how long still."""

import re
import time
from pathlib import Path

import pytest
from benchmarks.restore import store_dump, with_drbook
from support.program import PeakMemory
from support.shop import Shop, occurred, running_shop
from support.terminal import ENTER

LIMIT = 150
"""MiB that the process may hold."""
GROWTH = 20
"""MiB more that five times the dump may cost."""


def test_five_times_the_dump_in_the_same_memory(s3_server, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    peaks, sizes = [], []
    for size in (32, 160):
        folder = tmp_path / str(size)
        folder.mkdir()
        with running_shop(s3_server, folder) as shop:
            sizes.append(store_dump(shop, size))
            peaks.append(with_drbook(shop, folder / "home")[1])
    assert sizes[1] > 4 * sizes[0] > 4 * 30 * 1024 * 1024
    assert min(peaks) > 30, "the measurement itself"
    assert max(peaks) < LIMIT
    assert peaks[1] - peaks[0] < GROWTH


@pytest.fixture
def big_shop(s3_server, tmp_path: Path):  # type: ignore[no-untyped-def]
    folder = tmp_path / "big"
    folder.mkdir()
    with running_shop(s3_server, folder) as shop:
        store_dump(shop, 320)
        yield shop


def test_the_screen_stays_small_and_says_how_long_still(big_shop: Shop, terminal) -> None:  # type: ignore[no-untyped-def]
    seat = terminal(
        *("rehearse", str(big_shop.runbook), "--set", occurred()), environment=big_shop.environment
    )
    peak = PeakMemory(seat.child.pid)
    seat.sees("run step 1")
    for step in (2, 3):
        seat.press(ENTER)
        seat.sees(f"go to step {step}")
        seat.press(ENTER)
    wanted = (r"\b\d+ %", r"[\d,]+ of [\d,]+ rows", r"\b\d+:\d\d:\d\d left", r"MiB written")
    seen: set[str] = set()
    seat.press(ENTER)
    until = time.monotonic() + 120
    while "go to step 4" not in seat.text and time.monotonic() < until:
        lines = seat.text.splitlines()
        at = next((n for n, each in enumerate(lines) if each.lstrip().startswith("load")), None)
        said = " ".join(lines[at : at + 2]) if at is not None else ""  # its table stands below it
        seen |= {each for each in wanted if re.search(each, said)}
        seat.read(0.1)
    assert seen == set(wanted), seat.text
    assert 30 < peak.end() < LIMIT
