"""What a go-bag is worth: by what was seen of it, by its record, and by where it lies."""

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import pytest

from drbook.core.gobag import (
    Bag,
    Looked,
    Manifest,
    Now,
    Written,
    aged,
    bag_line,
    changed,
    ill_placed,
)
from drbook.core.points import Answer
from drbook.core.runbook import RunbookDocument

AT = datetime(2026, 11, 28, 3, tzinfo=UTC)
DAY = timedelta(days=1)
RUN, OTHER = "a" * 64, "b" * 64
NOW = Now(at=AT, drbook="1.0", runbook_sha256=RUN, baseline="new.json")
YES, NO, DUNNO = Answer.PASS, Answer.FAIL, Answer.UNKNOWN


def manifest(age: timedelta = DAY, **more: object) -> Manifest:
    fields: dict[str, object] = {
        "drbook": "1.0", "packed_at": AT - age, "runbook": "Lost", "runbook_sha256": RUN,
        "baseline": "new.json", "files": {},
    }  # fmt: skip
    return Manifest.model_validate(fields | more)


def written(age: timedelta = DAY, sha256: str = RUN) -> Written:
    return Written(
        at=AT - age, path="/mnt/stick/bag.zip", sha256=OTHER, runbook_sha256=sha256, title="Lost",
        file="/srv/shop.yaml",
    )  # fmt: skip


def bag(looked: Looked | None = None, record: Written | None = None, **more: object) -> Bag:
    return Bag(path="/mnt/stick/bag.zip", looked=looked, written=record, **more)  # type: ignore[arg-type]


UNSEEN = Looked(unread="its folder is not there; is the medium mounted?")
LINES = [
    ("whole, young, of this runbook", bag(Looked(manifest())), YES),
    ("on its last day", bag(Looked(manifest(30 * DAY))), YES),
    ("too old", bag(Looked(manifest(31 * DAY))), NO),
    ("too old as the runbook says", bag(Looked(manifest(8 * DAY)), max_age=7 * DAY), NO),
    ("of tomorrow", bag(Looked(manifest(-DAY))), DUNNO),
    ("of another runbook", bag(Looked(manifest(runbook_sha256=OTHER))), NO),
    ("without its wheels, as it says", bag(Looked(manifest(lacks=("wheels: none",)))), NO),
    ("tampered with", bag(Looked(manifest(), problems=("keys.txt is missing",))), NO),
    ("no go-bag at all", bag(Looked(problems=("it is no whole zip",))), NO),
    ("not mounted, nothing on record", bag(UNSEEN), DUNNO),
    ("not mounted, on record", bag(UNSEEN, written()), DUNNO),
    ("not mounted, on record as old", bag(UNSEEN, written(31 * DAY)), NO),
    ("not mounted, on record with another runbook", bag(UNSEEN, written(sha256=OTHER)), NO),
    ("none known of", Bag(), NO),
    ("none known of, and the record cannot be read", Bag(unread="1 line"), DUNNO),
]


@pytest.mark.parametrize(("why", "given", "expected"), LINES, ids=[row[0] for row in LINES])
def test_line(why: str, given: Bag, expected: Answer) -> None:
    line = bag_line(given, NOW)
    assert line.answer is expected, line.reason
    assert line.reason


def test_a_record_alone_never_passes() -> None:
    for _, given, _ in LINES:
        unseen = Bag(given.path, UNSEEN, given.written or written(), given.unread, given.max_age)
        assert bag_line(unseen, NOW).answer is not YES


def test_what_has_changed_since() -> None:
    assert changed(manifest(), NOW) == ()
    older = manifest(runbook_sha256=OTHER, baseline="old.json", drbook="0.9")
    runbook, baseline, drbook = changed(older, NOW)
    assert "another one now" in runbook
    assert "new.json" in baseline
    assert "old.json" in baseline
    assert "1.0 here; packed was 0.9" in drbook
    assert changed(manifest(baseline="old.json"), Now(at=AT, drbook="1.0")) == ()


def test_its_age_in_words() -> None:
    assert aged(manifest(), AT).startswith("24 h 00 m old, packed at 2026-11-27 03:00:00 UTC")
    assert aged(manifest(31 * DAY), AT).startswith("31 days old")
    assert "its age is unknown" in aged(manifest(-DAY), AT)


DOCUMENT = {
    "drbook": 1,
    "title": "Lost",
    "production": {
        "volume": "/srv/volume/data",
        "domain": {"credentials": ["token"], "reads": ["/mnt/shared"]},
    },
    "credentials": {
        "token": {
            "stored_in": ["laptops", "file:~/src/shop/.env#T"],
            "reads": ["/nfs/all", "host-7"],
        },
        "writer": {"stored_in": ["file:/home/alice/keys"], "reads": ["/offsite"]},
    },
    "steps": [{"id": "a", "phase": "locate", "do": "note"}],
}
PLACES = [
    ("/media/stick/bag.zip", "recovery", ()),
    ("/srv/volume/data/bag.zip", "recovery", ("production's own volume",)),
    ("/srv/volume/database/bag.zip", "recovery", ()),
    ("/mnt/shared/x/bag.zip", "recovery", ("whoever holds production",)),
    ("/nfs/all/bag.zip", "recovery", ("can be read with token",)),
    ("/home/me/src/shop/bag.zip", "recovery", ("is where token lies",)),
    ("/media/bag.zip", "HOST-7", ("this host",)),
    ("/offsite/bag.zip", "recovery", ()),
    ("/home/alice/bag.zip", "recovery", ()),
]


@pytest.mark.parametrize(("path", "host", "expected"), PLACES)
def test_where_it_should_not_lie(path: str, host: str, expected: tuple[str, ...]) -> None:
    document = RunbookDocument.model_validate(DOCUMENT)
    found = ill_placed(PurePosixPath(path), document, work_tree="", host=host, home="/home/me")
    assert len(found) == len(expected), found
    for said, wanted in zip(found, expected, strict=True):
        assert wanted in said


def test_a_work_tree_is_no_place_for_it() -> None:
    document = RunbookDocument.model_validate(DOCUMENT)
    (said,) = ill_placed(
        PurePosixPath("/home/me/x/bag.zip"), document, work_tree="/home/me/x", host="h", home="/"
    )
    assert "git work tree /home/me/x" in said
