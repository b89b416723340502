"""A source's code may be anybody's: what it raises and answers is held to what a source promises."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from support.pg import drain

from drbook.core.errors import Cancelled, CouldNotVerify, Interrupted, UsageError
from drbook.core.points import ByteFact, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Working
from drbook.providers.backups import BackupCatalog
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.sources.base import Blob, OpenableSource, Opening, Source

POINT = RecoveryPoint(
    source="odd", id="a", taken_at=datetime(2026, 4, 24, tzinfo=UTC), taken_by="tool", size=1,
    location="odd/a",
)  # fmt: skip


class Odd:
    """A source that answers as it should, but where the test says otherwise."""

    def __init__(self, **ways: Callable[[], Any]) -> None:
        self._ways = ways
        self.closed = 0

    def _do(self, name: str, usual: Any) -> Any:
        return self._ways[name]() if name in self._ways else usual

    def survey(self) -> SourceFacts:
        found: SourceFacts = self._do("survey", SourceFacts(source="odd", reachable=True))
        return found

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        yield from ()
        found: Sequence[RecoveryPoint] = self._do("points", [POINT])
        return found

    def facts(self, point: RecoveryPoint) -> PointFacts:
        found: PointFacts = self._do("facts", PointFacts(point=point))
        return found

    def manifest(self, point: RecoveryPoint) -> None:
        self._do("manifest", None)

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        return ()

    def close(self) -> None:
        self.closed += 1


class OddSource(OpenableSource):
    kind: Literal["odd"] = "odd"

    def open(self, opening: Opening) -> Source:
        return OPENED(opening)


OPENED: Callable[[Opening], Source] = lambda opening: Odd()  # noqa: E731 - the tests replace it

Make = Callable[..., BackupCatalog]


@pytest.fixture
def cancel() -> CancelToken:
    return CancelToken()


@pytest.fixture
def made(tmp_path: Path, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A catalogue of one source, which answers in these ways."""

    def make(opened: Callable[[Opening], Source] | None = None, **ways: Any) -> BackupCatalog:
        monkeypatch.setitem(globals(), "OPENED", opened or (lambda opening: Odd(**ways)))
        configs = [OddSource(id="odd")]
        return BackupCatalog(configs, tmp_path, cancel, secrets=Secret, check_structure=_unasked)

    return make


def _unasked(*_: object) -> Working[ByteFact]:
    raise AssertionError("no copy was fetched")


def _raise(error: BaseException) -> Callable[[], Any]:
    def ways() -> Any:
        raise error

    return ways


def test_one_that_answers_as_it_should_is_as_it_is(made: Make) -> None:
    catalog = made()
    assert catalog.survey("odd") == SourceFacts(source="odd", reachable=True)
    assert drain(catalog.points("odd")) == [POINT]
    assert catalog.facts(POINT) == PointFacts(point=POINT)
    assert catalog.left_out("odd") == ()


DEFECT = KeyError("the secret is swordfish-4711")


@pytest.mark.parametrize("at", ["open", "survey"])
def test_a_defect_of_its_own_makes_it_unreachable(made: Make, at: str) -> None:
    Secret("swordfish-4711")
    catalog = made(_raise(DEFECT)) if at == "survey" else made(lambda _: _raise(DEFECT)())
    catalog = made(survey=_raise(DEFECT)) if at == "survey" else catalog
    facts = catalog.survey("odd")
    assert not facts.reachable
    assert "its own code failed (KeyError: " in facts.why_unreachable
    assert "swordfish" not in facts.why_unreachable


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (_raise(DEFECT), "its own code failed (KeyError"),
        (lambda: None, "its own code failed (TypeError"),
        (lambda: ["a"], "something else than copies of its own"),
        (
            lambda: [POINT.model_copy(update={"source": "another"})],
            "something else than copies of its own",
        ),
        (lambda: [POINT, POINT], "it listed odd:a twice"),
    ],
)
def test_a_list_that_cannot_be_believed_is_none(made: Make, answer: Any, why: str) -> None:
    with pytest.raises(CouldNotVerify) as caught:
        drain(made(points=answer).points("odd"))
    assert why in caught.value.what
    assert caught.value.code == "source-broken"


def test_a_place_that_describes_another_is_not_reachable(made: Make) -> None:
    another = SourceFacts(source="another", reachable=True)
    facts = made(survey=lambda: another).survey("odd")
    assert (facts.source, facts.reachable) == ("odd", False)


@pytest.mark.parametrize(
    "answer",
    [
        _raise(DEFECT),
        lambda: None,
        lambda: PointFacts(
            point=POINT.model_copy(update={"id": "b"}), bytes=ByteFact(state="intact")
        ),
    ],
)
def test_facts_that_cannot_be_believed_are_unknown(made: Make, answer: Any) -> None:
    facts = made(facts=answer).facts(POINT)
    assert (facts.point, facts.bytes.state) == (POINT, "unknown")
    assert "cannot be believed" in facts.bytes.reason
    assert facts.lock.why_unknown == facts.bytes.reason


# --- giving up ----------------------------------------------------------------------------------


def test_giving_one_up_stops_what_works_there_and_nothing_else(
    made: Make, cancel: CancelToken
) -> None:
    switches: list[Opening] = []

    def opened(opening: Opening) -> Source:
        switches.append(opening)
        return Odd()

    catalog = made(opened)
    catalog.survey("odd")
    (opening,) = switches
    opening.cancel.raise_if_requested()
    catalog.give_up("odd")
    catalog.give_up("nobody")
    assert opening.cancel.requested
    with pytest.raises(Cancelled):
        opening.cancel.raise_if_requested()
    assert not cancel.requested


@pytest.mark.parametrize(("reason", "error"), [("cancel", Cancelled), ("timeout", Interrupted)])
def test_what_stops_the_step_stops_every_source(
    made: Make, cancel: CancelToken, reason: str, error: type[Exception]
) -> None:
    told: list[str] = []

    def opened(opening: Opening) -> Source:
        opening.cancel.on_request(lambda: told.append("told"))
        return Odd(survey=opening.cancel.raise_if_requested)

    catalog = made(opened)
    catalog.left_out("odd")
    cancel.request(reason)
    assert told == ["told"]
    with pytest.raises(error):
        catalog.survey("odd")


def test_one_that_is_opened_when_all_is_over_is_closed_at_once(made: Make) -> None:
    """As of a source whose password comes late: nothing stays open behind a step."""
    begun, go_on = threading.Event(), threading.Event()
    late, raised = Odd(), []

    def opened(opening: Opening) -> Source:
        begun.set()
        go_on.wait()
        return late

    def ask() -> None:
        try:
            catalog.survey("odd")
        except Cancelled as error:
            raised.append(error)

    catalog = made(opened)
    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait()
    catalog.close()
    go_on.set()
    thread.join()
    assert (late.closed, len(raised)) == (1, 1)


def test_what_is_not_in_the_runbook_is_a_mistake_of_who_asks(made: Make) -> None:
    catalog = made()
    for ask in (catalog.survey, lambda name: drain(catalog.points(name))):
        with pytest.raises(UsageError, match="no backup source nobody"):
            ask("nobody")
