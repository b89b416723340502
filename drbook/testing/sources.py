"""What every kind of backup source has to keep, each as one check over a bed that its author provides."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drbook.core.capabilities import OBSERVABLE
from drbook.core.errors import Cancelled, CouldNotVerify, StepFailed
from drbook.core.points import Observed, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import finish
from drbook.core.values import plain
from drbook.providers.cancel import CancelToken
from drbook.providers.secrets import reader
from drbook.providers.sources.base import (
    Blob,
    MadeSource,
    OpenableSource,
    Opening,
    PhysicalSource,
    Place,
    Source,
    Spoilt,
)


@dataclass(frozen=True, slots=True)
class SourceBed:
    """A place of one kind, and what is known to be in it."""

    config: OpenableSource
    """An entry for a place that holds at least two copies of different times."""
    absent: OpenableSource
    """The same kind, for a place that is not there."""
    copies: Mapping[str, Mapping[str, bytes]]
    """For the `id` of each copy its files: the name within the copy (empty where it is one file) → bytes.
    Of physical copies and snapshots, which are not handed out as files, none."""
    picture: Callable[[], object]
    """Everything that the place holds, in a form that can be compared."""
    environment: Mapping[str, str]
    """In which the entry's secrets are set."""
    one: bool = False
    """The place is itself the one copy that it holds, which is dumped when it is fetched: a standby, whose
    replay is paused."""
    unanswered: frozenset[str] = frozenset()
    """What the kind claims to observe and this very place cannot answer; it has to say why."""


def opening(environment: Mapping[str, str] = os.environ) -> Opening:
    """What a source is opened with, in a test."""
    return Opening(reader(environment), CancelToken())


def cancelled_opening(environment: Mapping[str, str] = os.environ) -> Opening:
    """The same, where somebody has cancelled already."""
    token = CancelToken()
    token.request("cancelled by the test")
    return Opening(reader(environment), token)


@contextmanager
def _opened(bed: SourceBed) -> Iterator[Source]:
    source = bed.config.open(opening(bed.environment))
    try:
        yield source
    finally:
        source.close()


def _points(source: Source) -> Sequence[RecoveryPoint]:
    return finish(source.points())


def _physical(bed: SourceBed, source: Source) -> PhysicalSource | None:
    """The source where its copies are physical; it has to be able to check them and lay them down then."""
    if bed.config.format != "physical":
        return None
    assert isinstance(source, PhysicalSource), "it cannot check a physical copy or lay it down"
    return source


def _files(bed: SourceBed, source: Source, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
    return source.files(point) if bed.config.format == "pg_dump" and not bed.one else ()


def _whole(blob: Blob, offset: int = 0) -> bytes:
    with blob.read(offset) as chunks:
        return b"".join(piece for piece in chunks if isinstance(piece, bytes))


def every_copy_is_listed_once(bed: SourceBed) -> None:
    with _opened(bed) as source:
        found = [point.id for point in _points(source)]
    assert sorted(found) == sorted(bed.copies), f"listed are {found}"


def the_newest_comes_first(bed: SourceBed) -> None:
    with _opened(bed) as source:
        times = [point.taken_at for point in _points(source)]
    assert len(set(times)) > 1 or bed.one, "the bed has to hold copies of different times"
    assert times == sorted(times, reverse=True)


def it_is_said_when_a_copy_was_taken_and_by_whose_clock(bed: SourceBed) -> None:
    now = datetime.now(UTC) + timedelta(minutes=5)
    with _opened(bed) as source:
        for point in _points(source):
            assert point.taken_at <= now, f"{point.id} lies ahead"
            assert point.taken_by in bed.config.can.clocks, f"{point.taken_by} is not claimed"


def a_copy_says_where_it_is_and_whose(bed: SourceBed) -> None:
    with _opened(bed) as source:
        points = _points(source)
    assert len({point.key for point in points}) == len(points), "two copies have one key"
    for point in points:
        assert point.source == bed.config.id
        assert point.domain == bed.config.domain
        assert point.location
        assert plain(point.location, 4000) == point.location, "it is not safe to show"


def the_very_bytes_are_handed_out(bed: SourceBed) -> None:
    if bed.config.format != "pg_dump" or bed.one:
        return  # the checks of physical copies, snapshots and standbys
    with _opened(bed) as source:
        for point in _points(source):
            files = source.files(point)
            wanted = bed.copies[point.id]
            assert {name: _whole(blob) for name, blob in files} == wanted
            assert {name: blob.size for name, blob in files} == {
                name: len(data) for name, data in wanted.items()
            }
            assert point.size == sum(len(data) for data in wanted.values())


def reading_goes_on_from_any_offset(bed: SourceBed) -> None:
    with _opened(bed) as source:
        for point in _points(source):
            for name, blob in _files(bed, source, point):
                data = bed.copies[point.id][name]
                for offset in (1, len(data) // 2, len(data) - 1):
                    assert _whole(blob, offset) == data[offset:], f"from {offset}"


def two_lists_of_an_unchanged_place_are_the_same(bed: SourceBed) -> None:
    with _opened(bed) as source:
        first = _points(source)
        assert list(first) == list(_points(source))
    with _opened(bed) as source:
        assert list(first) == list(_points(source)), "another opening sees something else"


def facts_are_those_of_the_copy_that_was_asked_for(bed: SourceBed) -> None:
    with _opened(bed) as source:
        for point in _points(source):
            facts = source.facts(point)
            assert isinstance(facts, PointFacts)
            assert facts.point == point
            assert facts.still_there
            assert facts.bytes.state != "damaged", facts.bytes.reason
            if not bed.config.can.locks:
                assert facts.lock.mode is None, "a lock that the kind does not claim to see"


def a_copy_that_is_gone_is_said_to_be(bed: SourceBed) -> None:
    with _opened(bed) as source:
        point = _points(source)[0]
        gone = point.model_copy(update={"id": point.id + "-gone", "version": None})
        facts = source.facts(gone)
        assert not facts.still_there or facts.bytes.state in ("unknown", "damaged")
        try:
            files = source.files(gone)
            read = [_whole(blob) for _, blob in files]
        except StepFailed:
            return
        raise AssertionError(f"{sum(map(len, read))} bytes of a copy that is not there")


def what_is_not_known_has_a_reason(bed: SourceBed) -> None:
    with _opened(bed) as source:
        found = source.survey()
        assert found.reachable
        for name, value in _observed(found).items():
            if name in bed.config.can.observes:
                continue
            assert not value.known, f"{name} is answered, and not claimed"
            assert value.why


def what_is_claimed_to_be_observed_is(bed: SourceBed) -> None:
    with _opened(bed) as source:
        found = source.survey()
    known = {name for name, value in _observed(found).items() if value.known}
    known |= {"resource"} if found.resource is not None else set()
    assert all(_observed(found)[name].why for name in bed.unanswered), "nothing says why"
    missing = bed.config.can.observes - known - bed.unanswered
    assert not missing, f"claimed and not answered here: {', '.join(sorted(missing))}"


def _observed(found: SourceFacts) -> dict[str, Observed]:
    values = {name: getattr(found, name) for name in OBSERVABLE}
    return {name: value for name, value in values.items() if isinstance(value, Observed)}


def a_place_that_is_not_there_is_no_empty_one(bed: SourceBed) -> None:
    source = bed.absent.open(opening(bed.environment))
    try:
        found = source.survey()
        assert not found.reachable
        assert found.why_unreachable
        listed, refused = _listed(source)
        assert refused is not None, f"a place that is not there lists {len(listed)} copies"
        assert refused.next, "nothing says what to do"
    finally:
        source.close()


def _listed(source: Source) -> tuple[Sequence[RecoveryPoint], CouldNotVerify | None]:
    try:
        return _points(source), None
    except CouldNotVerify as error:
        return (), error


def a_cancel_ends_the_list(bed: SourceBed) -> None:
    source = bed.config.open(cancelled_opening(bed.environment))
    try:
        _points(source)
    except (Cancelled, CouldNotVerify, StepFailed):
        return
    finally:
        source.close()
    raise AssertionError("it was cancelled before it began, and listed all the same")


def nothing_is_changed_and_closing_twice_is_nothing(bed: SourceBed) -> None:
    before = bed.picture()
    source = bed.config.open(opening(bed.environment))
    source.survey()
    for point in _points(source):
        source.facts(point)
        source.manifest(point)
        for _, blob in _files(bed, source, point):
            _whole(blob)
    source.close()
    source.close()
    assert bed.picture() == before


def a_physical_copy_has_no_files_to_fetch(bed: SourceBed) -> None:
    with _opened(bed) as source:
        if _physical(bed, source) is None:
            return
        for point in _points(source):
            assert point.format == "physical", f"{point.id} says {point.format}"
            assert _refused(source, point) == "physical", "a data directory is no file to fetch"


def _refused(source: Source, point: RecoveryPoint) -> str:
    """The code with which its files are refused; empty where they are handed out."""
    try:
        source.files(point)
    except StepFailed as error:
        return error.code
    return ""


def a_standby_is_dumped_where_it_was_listed(bed: SourceBed) -> None:
    if not bed.one:
        return
    with tempfile.TemporaryDirectory(prefix="drbook-check-") as folder, _opened(bed) as source:
        assert isinstance(source, MadeSource), "nothing dumps it"
        (point,) = _points(source)
        assert point.standby, "it does not say that it is a standby"
        assert point.seen, "nothing tells what it shows now from what it shows later"
        replay = source.facts(point).replay
        assert replay is not None, "it does not say how its replay stands"
        assert replay.held, "the bed's standby has to be paused"
        assert _refused(source, point) == "standby", "a running server is no file to fetch"
        into = Path(folder) / "dump"
        finish(source.dump(point, into))
        assert into.stat().st_size > 0, "the dump is empty"
        for change in ({"seen": "elsewhere"}, {"id": f"{point.id}-gone"}):
            other = point.model_copy(update=change)
            assert _spoilt(source, other, Path(folder) / "other"), f"dumped although {change}"


def _spoilt(source: MadeSource, point: RecoveryPoint, into: Path) -> bool:
    try:
        finish(source.dump(point, into))
    except Spoilt:
        return True
    return False


def a_snapshot_says_who_restores_it(bed: SourceBed) -> None:
    if bed.config.format != "snapshot":
        return
    with _opened(bed) as source:
        for point in _points(source):
            assert point.format == "snapshot", f"{point.id} says {point.format}"
            assert point.restored_by, "nothing says how its provider restores it"
            assert plain(point.restored_by, 4000) == point.restored_by, "it is not safe to show"
            assert source.facts(point).bytes.state in ("unread", "unknown"), "nobody can read it"
            assert _refused(source, point) == "snapshot", "there are no files of it"


def a_good_physical_copy_is_found_good(bed: SourceBed) -> None:
    with _opened(bed) as source:
        physical = _physical(bed, source)
        if physical is None:
            return
        point = _points(source)[0]
        fact = finish(physical.check(point))
        assert fact.state in ("intact", "structure"), f"{fact.state}: {fact.reason}"
        gone = point.model_copy(update={"id": point.id + "-gone", "version": None})
        try:
            state = finish(physical.check(gone)).state
        except (CouldNotVerify, StepFailed):
            return
        assert state in ("unknown", "damaged"), f"what is not there is {state}"


def a_physical_copy_is_laid_down_in_its_place_only(bed: SourceBed) -> None:
    with tempfile.TemporaryDirectory(prefix="drbook-check-") as folder, _opened(bed) as source:
        physical = _physical(bed, source)
        if physical is None:
            return
        place, before = _place(Path(folder)), bed.picture()
        archive = finish(physical.lay_down(_points(source)[0], place))
        try:
            laid = {path.name for path in place.data.iterdir()}
            assert {"PG_VERSION", "global"} <= laid, f"this is no data directory: {sorted(laid)}"
            assert not laid & {"recovery.signal", "standby.signal"}, "how it recovers is not its"
            beside = {path.name for path in Path(folder).iterdir()}
            assert beside == {"data", "tablespaces", "scratch"}, f"written beside it: {beside}"
            _leads_nowhere_else(place)
            assert archive is None or not archive.get("FFFFFFFF.history", place.scratch / "got")
        finally:
            if archive is not None:
                archive.close()
        assert bed.picture() == before, "the place of the copies was changed"


def _place(folder: Path) -> Place:
    place = Place(folder / "data", folder / "tablespaces", folder / "scratch")
    for part in (place.data, place.tablespaces, place.scratch):
        part.mkdir(mode=0o700)
    return place


def _leads_nowhere_else(place: Place) -> None:
    for top in (place.data, place.tablespaces):
        for path in top.rglob("*"):
            if path.is_symlink():
                inside = path.resolve().is_relative_to(place.tablespaces.resolve())
                assert inside, f"{path} leads out of the place"


SOURCE_CHECKS: tuple[Callable[[SourceBed], None], ...] = (
    every_copy_is_listed_once,
    the_newest_comes_first,
    it_is_said_when_a_copy_was_taken_and_by_whose_clock,
    a_copy_says_where_it_is_and_whose,
    the_very_bytes_are_handed_out,
    reading_goes_on_from_any_offset,
    two_lists_of_an_unchanged_place_are_the_same,
    facts_are_those_of_the_copy_that_was_asked_for,
    a_copy_that_is_gone_is_said_to_be,
    what_is_not_known_has_a_reason,
    what_is_claimed_to_be_observed_is,
    a_place_that_is_not_there_is_no_empty_one,
    a_cancel_ends_the_list,
    nothing_is_changed_and_closing_twice_is_nothing,
    a_physical_copy_has_no_files_to_fetch,
    a_standby_is_dumped_where_it_was_listed,
    a_snapshot_says_who_restores_it,
    a_good_physical_copy_is_found_good,
    a_physical_copy_is_laid_down_in_its_place_only,
)
"""All of them; each raises AssertionError where it does not hold."""
