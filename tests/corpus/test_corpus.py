"""A short form of the corpus on real servers, and each comparison taken away in turn.

python tests/corpus/run.py --without        # all of it; a few minutes
"""

import fcntl
import pickle
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from corpus.case import BAD, GOOD, UNSURE
from corpus.cases import CASES
from corpus.recorded import Recorder
from corpus.road import run
from corpus.run import run_all
from corpus.short import NEEDED, chosen
from corpus.walk import judge_again
from corpus.without import NETS, noticed
from corpus.world import opened
from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Working
from drbook.providers.fetching import Fetching, Reading

SEED = 1
pytestmark = pytest.mark.xdist_group("corpus")
"""One worker makes the facts and asks all of them, while the others go on."""
Recorded = list[tuple[str, bool, str, Any]]
"""Of each case: its name, whether its verdict was the expected one, the table's line, and its facts."""


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The cases, run once by whichever worker comes first."""
    shared = tmp_path_factory.getbasetemp().parent
    kept = shared / "corpus.pickle"
    with (shared / "corpus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            with opened() as world:
                lines = run_all(world, chosen(SEED))
            found = [
                (
                    line.case.name,
                    line.right,
                    line.show(),
                    line.travelled.facts.kept() if line.travelled is not None else None,
                )
                for line in lines
            ]
            kept.write_bytes(pickle.dumps(found))
        result: Recorded = pickle.loads(kept.read_bytes())
    return result


@pytest.fixture(scope="session")
def facts(recorded: Recorded) -> list[Recorder]:
    cases = {case.name: case for case in CASES}
    return [Recorder.again(cases[name], kept) for name, _, _, kept in recorded if kept is not None]


def test_every_verdict_is_the_truth(recorded: Recorded) -> None:
    wrong = [shown for _, right, shown, _ in recorded if not right]
    assert wrong == []
    assert {name for name, *_ in recorded} >= set(NEEDED)


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert sum(case.wrong for case in CASES) >= 40
    assert sum(not case.wrong for case in CASES) >= 20
    assert {case.expects for case in CASES} == {GOOD, BAD, UNSURE}
    assert [case.name for case in CASES if case.wrong and case.expects is GOOD] == []
    assert [case.name for case in CASES if not case.wrong and case.expects is BAD] == []


def test_recorded_facts_give_the_same_verdict(facts: list[Recorder]) -> None:
    other = [one.case.name for one in facts if not _true(one)]
    assert other == []


def _true(one: Recorder) -> bool:
    judged = judge_again(one)
    return judged is not None and judged.is_true_of(one.case)


def test_no_comparison_is_idle(facts: list[Recorder]) -> None:
    idle = []
    for name in NETS:
        with closing(noticed(name, facts)) as found:
            if next(found, None) is None:
                idle.append(name)
    assert idle == []


# --- what reads bytes is taken away on the spot, for nothing was recorded of what comes after it ---


@contextmanager
def _without_digest() -> Iterator[None]:
    def trusting(self: Fetching, point: Any, blob: Any, target: Path, manifest: Any) -> Any:
        received = yield from self._download(point, blob, target)
        fact = ByteFact(state="intact", reason="taken on trust")
        kept = self._copies.keep(point, fact, target, received.size, received.sha256, "digest")
        return Reading(fact, kept)

    with patch.object(Fetching, "_read_file", trusting):
        yield


@contextmanager
def _without_structure() -> Iterator[None]:
    def unread(path: Path, tools: object, cancel: Cancel) -> Working[ByteFact]:
        return ByteFact(state="structure", reason="taken on trust")
        yield

    with patch("corpus.road.check_structure", unread):
        yield


def test_no_reading_of_bytes_is_idle() -> None:
    cases = {case.name: case for case in CASES}
    with opened() as world:
        for number, (without, name) in enumerate(
            (
                (_without_digest, "bit flipped, uncompressed, manifest with counts alone"),
                (_without_structure, "plain, cut at a row"),
            )
        ):
            assert run(cases[name], world, 2 * number).right
            with without():
                assert not run(cases[name], world, 2 * number + 1).right
