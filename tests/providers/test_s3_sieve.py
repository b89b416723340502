"""What is kept of a list as it comes is what would be kept of it whole."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from drbook.providers.naming import MANIFEST, is_dump, is_manifest
from drbook.providers.s3sieve import Listing, Sieve, Stored

AT = datetime(2026, 1, 1, tzinfo=UTC)


def stored(key: str, version: int = 0, latest: bool = True) -> Stored:
    seconds = sum(key.encode()) * 10 + version
    return Stored(key, f"v{version}", 1, AT + timedelta(seconds=seconds), "", latest)


def sift(entries: list[Stored], keep: int = 1000, *, patient: bool = False) -> Listing:
    sieve = Sieve(keep, "", patient=patient)
    sieve.begin()
    for each in entries:
        sieve.stored(each)
    return sieve.listing(versions_known=True)


def by_hand(entries: list[Stored]) -> tuple[set[Stored], dict[str, set[Stored]]]:
    described = {each.key.removesuffix(MANIFEST) for each in entries if is_manifest(each.key)}
    dumps = {
        each
        for each in entries
        if not is_manifest(each.key)
        and not each.key.endswith("/")
        and (is_dump(each.key) or each.key in described)
    }
    names = {each.key for each in dumps}
    manifests: dict[str, set[Stored]] = {}
    for each in entries:
        name = each.key.removesuffix(MANIFEST)
        if is_manifest(each.key) and name in names:
            manifests.setdefault(name, set()).add(each)
    return dumps, manifests


PIECES = ["a", "b", "-", ".", "/", "ü", ".dump", ".sql.gz", ".txt", "x" + MANIFEST, MANIFEST]


@pytest.mark.parametrize("seed", range(60))
def test_as_it_comes_and_whole(seed: int) -> None:
    chance = random.Random(seed)
    names = {"".join(chance.choices(PIECES, k=chance.randint(1, 4))) for _ in range(60)}
    names |= {name + MANIFEST for name in chance.sample(sorted(names), 15)}
    entries = [
        stored(name, version, latest=version == 0)
        for name in sorted(names)
        for version in range(chance.randint(1, 3))
    ]
    dumps, manifests = by_hand(entries)
    found = sift(entries)
    assert (set(found.dumps), len(found.dumps)) == (dumps, len(dumps))
    assert {name: set(each) for name, each in found.manifests.items()} == manifests
    shuffled = list(entries)
    chance.shuffle(shuffled)
    patient = sift(shuffled, patient=True)
    assert set(patient.dumps) == dumps
    assert {name: set(each) for name, each in patient.manifests.items()} == manifests


def test_out_of_order_is_noticed_where_something_may_be_missing() -> None:
    sieve = Sieve(10, "")
    for key in ("bare", "c", "bare" + MANIFEST):
        sieve.stored(stored(key))
    assert sieve.missed
    ordered = Sieve(10, "")
    for key in ("bare", "bare-x", "gone" + MANIFEST):
        ordered.stored(stored(key))
    assert not ordered.missed
    patient = Sieve(10, "", patient=True)
    for key in ("bare", "c", "bare" + MANIFEST):
        patient.stored(stored(key))
    assert not patient.missed
    assert [each.key for each in patient.listing(versions_known=True).dumps] == ["bare"]


def test_the_newest_stay_and_the_older_are_counted() -> None:
    entries: list[Stored] = []
    for day in range(5000):
        key = f"{AT - timedelta(days=day % 2500):%Y%m%d}-{day // 2500}.dump"
        entries += [stored(key), stored(key + MANIFEST)]
    entries.sort(key=lambda each: each.key)
    sieve = Sieve(10, "")
    for each in entries:
        sieve.marked(each.key, "m") if is_dump(each.key) else None
        sieve.stored(each)
    found = sieve.listing(versions_known=True)
    newest = sorted((each for each in entries if is_dump(each.key)), key=lambda e: e.key)[-10:]
    assert {each.key for each in found.dumps} == {each.key for each in newest}
    assert found.older == 4990
    assert set(found.manifests) == set(found.markers) == {each.key for each in newest}


def test_the_rest_is_counted_by_folder_and_never_named_without_end() -> None:
    entries = [stored(f"f{number:03}/{each}.log") for number in range(100) for each in range(3)]
    entries += [stored("old.log", 1, latest=False), stored("z/"), stored("z/d/toc.dat")]
    found = sift(sorted(entries, key=lambda each: each.key))
    assert len(found.others) == 20
    assert found.others["f000/"] == 3
    assert found.elsewhere == 80 * 3
    assert (found.directories, found.directory_count) == (("z/d/",), 1)


def test_markers_of_what_is_gone_do_not_pile_up() -> None:
    sieve = Sieve(10, "")
    for number in range(5000):
        sieve.marked(f"{number:05}.dump", "m")
    sieve.stored(stored("04999.dump"))
    found = sieve.listing(versions_known=True)
    assert len(found.markers) < 1100
    assert found.hidden("04999.dump")


def test_the_key_that_was_asked_for_is_a_dump_whatever_its_name() -> None:
    sieve = Sieve(10, "", only="bare")
    sieve.marked("bare", "m")
    sieve.stored(stored("bare"))
    found = sieve.listing(versions_known=True)
    assert found.hidden("bare")
    assert found.holds("bare", "v0")
