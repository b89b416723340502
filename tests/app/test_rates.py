"""How far, how fast, how long still: as a table."""

import pytest

from drbook.app.live import LiveBoard
from drbook.app.model import ProgressView
from drbook.app.rates import progress_words
from drbook.core.signals import Progress

MIB = 1024 * 1024


def view(**changes: object) -> ProgressView:
    fields: dict[str, object] = {
        "label": "load", "done": 100 * MIB, "total": 400 * MIB, "unit": "bytes", "now": "",
        "rate": 50.0 * MIB, "seconds_left": 6,
    }  # fmt: skip
    return ProgressView(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (view(), "load: 25 %, 100 MiB of 400 MiB, 50.0 MiB/s, 0:00:06 left"),
        (view(now="public.a"), "load: 25 %, 100 MiB of 400 MiB, 50.0 MiB/s, 0:00:06 left · public.a"),
        (view(rate=0.0, seconds_left=None), "load: 25 %, 100 MiB of 400 MiB, time left unknown"),
        (view(total=None, seconds_left=None), "load: 100 MiB so far, 50.0 MiB/s"),
        (view(done=400 * MIB, now="x"), "load: 100 %, 400 MiB of 400 MiB, done"),
        (view(done=400 * MIB - 1), "load: 99 %, 400 MiB of 400 MiB, 50.0 MiB/s, 0:00:06 left"),
        (
            view(done=3, total=9, unit="tables", rate=0.5, seconds_left=12),
            "load: 33 %, 3 of 9 tables, 30/min, 0:00:12 left",
        ),
        (
            view(done=3, total=None, unit="objects", rate=1234.0, seconds_left=None),
            "load: 3 objects so far, 1,234/s",
        ),
        (view(label="\x1b[2J", total=0, done=0, rate=0.0, seconds_left=None, unit="rows"),
         "\\x1b[2J: 0 of 0 rows, done"),
    ],
)  # fmt: skip
def test_progress_in_words(given: ProgressView, words: str) -> None:
    assert progress_words(given) == words


def test_the_rate_is_that_of_what_came_since_it_began() -> None:
    """What an earlier attempt brought does not make this one faster."""
    clock = [100.0]
    board = LiveBoard(lambda: clock[0])
    board.show("restore", Progress("fetch", 300, 1000, "bytes"))
    clock[0] += 10
    board.show("restore", Progress("fetch", 400, 1000, "bytes"))
    (seen,) = board.picture()["restore"].progress
    assert (seen.rate, seen.seconds_left) == (10.0, 60)
