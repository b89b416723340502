"""What WAL-G's source has it print, as tables: backups, rows of WAL, timelines, settings and complaints."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from drbook.providers.hiding import scrub
from drbook.providers.sources.walg import WalGSource, is_secret
from drbook.providers.walglist import (
    Kept,
    Lost,
    archives_in,
    backups_in,
    chain,
    objects_in,
    restore_spec,
    sentinel_in,
)
from drbook.providers.walgprogram import NoFile, explained
from drbook.providers.walgreach import fits, lines_in, own_segments, reach
from drbook.providers.walgsettings import settings_in

SIZE = 16 * 2**20
# As in WAL-G's cmd/pg/exporter/testdata/backup-list.json, with other names and numbers.
ONE: dict[str, Any] = {
    "backup_name": "base_000000020000000100000060",
    "time": "2026-04-24T02:00:19.896Z",
    "wal_file_name": "000000020000000100000060",
    "storage_name": "default",
    "start_time": "2026-04-24T02:00:01.793015Z",
    "finish_time": "2026-04-24T02:00:18.538578Z",
    "date_fmt": "%Y-%m-%dT%H:%M:%S.%fZ",
    "hostname": "db1",
    "data_dir": "/srv/pg",
    "pg_version": 150015,
    "start_lsn": 2**32 + 0x60 * SIZE + 40,
    "finish_lsn": 2**32 + 0x62 * SIZE,
    "is_permanent": False,
    "system_identifier": 7507672962298572862,
    "uncompressed_size": 2604967632,
    "compressed_size": 858502390,
}


def listed(*more: dict[str, Any]) -> tuple[dict[str, Kept], list[str]]:
    return backups_in(json.dumps([ONE | each for each in more]).encode())


def one(**more: Any) -> Kept:
    found, left = listed(more)
    assert not left
    (kept,) = found.values()
    return kept


def test_a_backup_as_wal_g_tells_it() -> None:
    kept = one()
    assert kept.ended == datetime(2026, 4, 24, 2, 0, 18, 538578, UTC)
    assert (kept.wal, kept.upon, kept.timeline) == ("000000020000000100000060", None, 2)
    assert (kept.version, kept.system) == (150015, "7507672962298572862")
    assert (kept.stored_bytes, kept.laid_bytes, kept.permanent) == (858502390, 2604967632, False)
    assert kept.note == ""
    last = "000000020000000100000061"
    assert own_segments(kept, SIZE) == [kept.wal, last], "it ends right before the next one"


@pytest.mark.parametrize(
    ("finish", "time", "expected", "note"),
    [
        ("2026-04-24T04:00:18+02:00", None, datetime(2026, 4, 24, 2, 0, 18, tzinfo=UTC), ""),
        ("2026-04-24T02:00:18.123456789Z", None, datetime(2026, 4, 24, 2, 0, 18, 123456, UTC), ""),
        ("2026-04-24T02:00:18", "2026-04-24T02:00:19Z", None, "without a zone"),
        ("0001-01-01T00:00:00Z", "2026-04-24T02:00:19Z", None, "details are not there"),
        (None, "2026-04-24T02:00:19Z", None, "details are not there"),
    ],
)
def test_times_with_a_zone_and_without(finish: Any, time: Any, expected: Any, note: str) -> None:
    kept = one(finish_time=finish, time=time)
    assert kept.ended == expected
    assert note in kept.note
    if time:
        assert kept.stored == datetime(2026, 4, 24, 2, 0, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"backup_name": "stream_20260424T020000Z"}, "no name of a backup"),
        ({"backup_name": "--config=/etc/passwd"}, "no name of a backup"),
        ({"backup_name": "base_000000020000000100000060/../x"}, "no name of a backup"),
        ({"finish_time": "2026-04-24T02:00:18", "time": None}, "nothing says when it was taken"),
        ({"finish_time": "yesterday"}, "cannot be read"),
        ({"finish_time": 5}, "cannot be read"),
        ({"finish_time": "9999-12-31T23:59:59-14:00"}, "cannot be read"),
        ({"start_lsn": "0/60"}, "cannot be read"),
        ({"start_lsn": -1}, "cannot be read"),
        ({"finish_lsn": 2**63}, "far behind it"),
        ({"finish_lsn": 5}, "before it begins"),
        ({"pg_version": True}, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_left_out_aloud(more: dict[str, Any], words: str) -> None:
    good = {"backup_name": "base_000000020000000100000080"}
    found, left = listed(good | {"start_lsn": None}, more)
    assert list(found) == [good["backup_name"]]
    assert len(left) == 1
    assert words in left[0]


def test_unknown_fields_say_nothing_and_missing_ones_are_unknown() -> None:
    assert one(color="red", nested={"a": [1]}) == one()
    bare = {"backup_name": ONE["backup_name"], "time": ONE["time"]}
    found, left = backups_in(json.dumps([bare]).encode())
    assert not left
    (kept,) = found.values()
    assert (kept.ended, kept.finish, kept.system, kept.stored_bytes) == (None, None, None, None)
    assert own_segments(kept, SIZE) == []


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"null", b"[", b'[{"backup_name": "base_00', b"[[]]", b'[{"backup_name": 5}]'],
)
def test_what_is_no_list_is_no_empty_one(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        backups_in(text)


# --- deltas --------------------------------------------------------------------------------------------

FULL, DELTA, SECOND = (
    "base_000000020000000100000060",
    "base_000000020000000100000070_D_000000020000000100000060",
    "base_000000020000000100000080_D_000000020000000100000070",
)


def chained(*names: str) -> dict[str, Kept]:
    return listed(*({"backup_name": name, "start_lsn": None} for name in names))[0]


def test_a_delta_needs_all_before_it() -> None:
    found = chained(FULL, DELTA, SECOND)
    assert chain(found, found[SECOND]) == (FULL, DELTA)
    assert chain(found, found[FULL]) == ()


def test_a_lost_parent_and_one_of_two() -> None:
    found = chained(DELTA, SECOND)
    with pytest.raises(Lost, match="000000020000000100000060, which is not there"):
        chain(found, found[SECOND])
    found = chained(FULL, f"{FULL}_00000028", DELTA)
    with pytest.raises(LookupError, match="which of the backups"):
        chain(found, found[DELTA])


# --- the archive ---------------------------------------------------------------------------------------


def line(id: int, first: int, last: int, *missing: int, **more: Any) -> dict[str, Any]:
    def name(number: int) -> str:
        return f"{id:08X}{1:08X}{number:08X}"

    return {
        "id": id, "parent_id": 0, "switch_point_lsn": 0, "start_segment": name(first),
        "end_segment": name(last), "segments_count": last - first + 1 - len(missing),
        "missing_segments": [name(each) for each in missing], "segment_range_size": last - first + 1,
        "status": "LOST_SEGMENTS" if missing else "OK",
    } | more  # fmt: skip


def branch(id: int, parent: int, at: int, last: int, *missing: int) -> dict[str, Any]:
    place = 2**32 + at * SIZE + 4096
    return line(id, at, last, *missing, parent_id=parent, switch_point_lsn=place)


@pytest.mark.parametrize(
    ("lines", "last", "missing", "gap", "over"),
    [
        ([line(2, 0x50, 0x90)], 0x90, "", "", ()),
        ([line(2, 0x50, 0x90, 0x55)], 0x90, "", "", ()),
        ([line(2, 0x50, 0x90, 0x70)], 0x6F, "", "70", ()),
        ([line(2, 0x50, 0x61)], 0x61, "", "", ()),
        ([line(2, 0x50, 0x90, 0x61)], None, "61", "", ()),
        ([line(2, 0x61, 0x90)], None, "60", "", ()),
        ([], None, "60", "", ()),
        ([line(2, 0x50, 0x70), branch(3, 2, 0x70, 0x90)], 0x90, "", "", (3,)),
        ([line(2, 0x50, 0x70), branch(3, 2, 0x71, 0x90, 0x80)], 0x7F, "", "80", (3,)),
        ([line(2, 0x50, 0x70), branch(3, 2, 0x70, 0x75), branch(4, 3, 0x75, 0x90)], 0x90, "", "", (3, 4)),
        ([line(2, 0x50, 0x70), branch(3, 2, 0x55, 0x90)], 0x70, "", "", ()),
        ([line(2, 0x50, 0x70), branch(3, 1, 0x65, 0x90)], 0x70, "", "", ()),
        ([line(2, 0x50, 0x70, 0x68), branch(3, 2, 0x70, 0x90)], 0x67, "", "68", ()),
    ],
)  # fmt: skip
def test_how_far_a_row_leads(
    lines: list[Any], last: int | None, missing: str, gap: str, over: tuple[int, ...]
) -> None:
    found = reach(one(), lines_in(json.dumps(lines).encode(), SIZE), SIZE)
    assert (found.last.number - 256 if found.last else None) == last
    assert found.missing.endswith(missing)
    assert bool(found.missing) == bool(missing)
    assert found.gap.endswith(gap)
    assert bool(found.gap) == bool(gap)
    assert found.timelines == over


@pytest.mark.parametrize(
    "lines",
    [
        {},
        [{}],
        [line(2, 0x50, 0x90) | {"start_segment": "x"}],
        [line(2, 0x90, 0x50)],
        [line(2, 0x50, 0x90) | {"missing_segments": None}],
        [line(2, 0x50, 0x90) | {"switch_point_lsn": "0/1"}],
        [line(2, 0x50, 0x90) | {"end_segment": "0000000200000001FFFFFFFF"}],
    ],
)
def test_what_is_no_archive(lines: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        lines_in(json.dumps(lines).encode(), SIZE)


def test_a_name_and_a_place_that_disagree() -> None:
    assert fits(one(), SIZE)
    assert not fits(one(start_lsn=40, finish_lsn=80), SIZE)
    assert fits(one(start_lsn=None), SIZE)


ROWS = (
    "type size      last modified                           name\n"
    "dir  0         0001-01-01 00:00:00 +0000 UTC           sub/  \n"
    "obj  1048      2026-04-24 02:00:19.896 +0000 UTC       000000020000000100000060.lz4  \n"
    "obj  5         2026-04-24 04:00:19 +0200 CEST          000000020000000100000061.br v1 latest\n"
)


def test_objects_with_their_zones() -> None:
    first, second = objects_in(ROWS)
    assert first.at == datetime(2026, 4, 24, 2, 0, 19, 896000, UTC)
    assert (second.name, second.size) == ("000000020000000100000061.br", 5)
    assert second.at == datetime(2026, 4, 24, 2, 0, 19, tzinfo=UTC)
    for text in ("", "nothing\n", ROWS + "obj x y z\n", ROWS.replace("+0200", "")):
        with pytest.raises(ValueError, match=r"\w"):
            objects_in(text)


# --- one backup ----------------------------------------------------------------------------------------


def test_a_sentinel_and_its_tablespaces() -> None:
    good = {"LSN": 5, "PgVersion": 150000}
    assert sentinel_in(json.dumps(good).encode()).tablespaces == ()
    spec = {
        "base_prefix": "/srv/pg",
        "tablespaces": ["16400"],
        "16400": {"loc": "/fast", "link": "l"},
    }
    for key in ("Spec", "spec"):
        found = sentinel_in(json.dumps(good | {key: spec, "DeltaFrom": FULL}).encode())
        assert (found.tablespaces, found.upon) == (("16400",), FULL)
    for bad in (
        {}, {"LSN": 5}, good | {"Spec": 5}, good | {"Spec": {"tablespaces": "16400"}},
        good | {"Spec": {"tablespaces": ["../x"]}}, good | {"DeltaFrom": "-x"}, good | {"DeltaFrom": 5},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"\w"):
            sentinel_in(json.dumps(bad).encode())
    told = json.loads(restore_spec("/new", {"16400": "/new-spaces/16400"}))
    assert told["16400"] == {"loc": "/new-spaces/16400", "link": "pg_tblspc/16400"}


def test_the_archives_of_a_backup() -> None:
    assert archives_in(b'{"TarFileSets": {"part_001.tar.lz4": []}}') == {"part_001.tar.lz4"}
    assert archives_in(b"{}") is None
    for bad in (b"[]", b"{", b'{"TarFileSets": []}' + b"x"):
        with pytest.raises(ValueError, match=r"\w"):
            archives_in(bad)


# --- complaints and settings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (1, "ERROR: 2026/04/24 10:00:00.000001 FS storage root directory doesn't exist", "is not there"),
        (1, "ERROR: 2026/04/24 10:00:00.000001 Failed to find any configured storage", "no store"),
        (1, "Error: unknown flag: --detailed-json", "does not know what it is asked"),
        (1, "ERROR: 2026/04/24 10:00:00.000001 openpgp: incorrect key", "does not open with this key"),
        (1, "", "exit code 1"),
        (1, "ERROR: NoSuchBucket: The specified bucket does not exist", "there is no such bucket"),
        (1, "ERROR: InvalidAccessKeyId: no such", "this access key does not exist"),
        (1, "ERROR: no alive storages", "none of its stores answers"),
        (137, "INFO: 2026/04/24 10:00:00.000001 List backups", "List backups"),
    ],
)  # fmt: skip
def test_complaints(code: int, text: str, words: str) -> None:
    failed = explained(code, text)
    assert words in failed.why
    assert failed.fact is None
    assert "2026/04/24" not in failed.why


def test_what_is_not_in_the_archive_and_what_cannot_be_unpacked() -> None:
    gone = "ERROR: 2026/04/24 10:00:00.000001 Archive '000000020000000100000060' does not exist.\n"
    assert isinstance(explained(74, gone), NoFile)
    assert isinstance(explained(1, gone), NoFile), "as versions before 74 said it"
    assert not isinstance(explained(1, "ERROR: Backup 'x' does not exist."), NoFile)
    for words in ("corrupted chunk", "CRC check failed", "lz4: invalid block checksum"):
        fact = explained(1, f"ERROR: 2026/04/24 10:00:00.000001 download the file: {words}").fact
        assert fact is not None
        assert fact.state == "damaged"
    assert explained(1, f"WARNING: {words}\nERROR: connection reset").fact is None
    assert explained(1, "ERROR: unexpected EOF").fact is None, "a network breaks off like that, too"


@pytest.mark.parametrize(
    "text",
    [
        '{"WALG_S3_PREFIX": "s3://shop/pg", "AWS_SECRET_ACCESS_KEY": "tyrannosaurus-93ab"}',
        'WALG_S3_PREFIX: s3://shop/pg\nAWS_SECRET_ACCESS_KEY: "tyrannosaurus-93ab"\n',
        "export WALG_S3_PREFIX=s3://shop/pg\nAWS_SECRET_ACCESS_KEY=tyrannosaurus-93ab\n",
        "WALG_S3_PREFIX = 's3://shop/pg'\nAWS_SECRET_ACCESS_KEY = 'tyrannosaurus-93ab' # mine\n",
    ],
)
def test_settings_in_whatever_form(text: str) -> None:
    assert settings_in(text) == {"WALG_S3_PREFIX": "s3://shop/pg"}
    assert scrub("it says tyrannosaurus-93ab") == "it says [secret]"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("WALG_LIBSODIUM_KEY", True), ("WALG_LIBSODIUM_KEY_PATH", False), ("AWS_ACCESS_KEY_ID", False),
        ("AWS_SESSION_TOKEN", True), ("WALG_PGP_KEY_PASSPHRASE", True), ("WALG_S3_PREFIX", False),
        ("WALG_LIBSODIUM_KEY_TRANSFORM", False), ("SSH_PASSWORD", True),
    ],
)  # fmt: skip
def test_which_settings_are_secret(name: str, secret: bool) -> None:
    assert is_secret(name) is secret


GOOD: dict[str, Any] = {"id": "w", "settings": {"WALG_S3_PREFIX": "s3://shop/pg"}}


@pytest.mark.parametrize(
    "more",
    [
        {"settings": {}},
        {"settings": {"AWS_REGION": "eu-central-1"}},
        {"settings": {"WALG_S3_PREFIX": "s3://a", "WALG_FILE_PREFIX": "/b"}},
        {"settings": GOOD["settings"] | {"WALG_LIBSODIUM_KEY": "hunter2"}},
        {"settings": {"WALG_SSH_PREFIX": "ssh://me:hunter2@host/x"}},
        {"settings": GOOD["settings"] | {"WALG_PREFETCH_DIR": "/x"}},
        {"settings": GOOD["settings"] | {"WALG_PG_WAL_SIZE": "17"}},
        {"settings": GOOD["settings"] | {"AWS_REGION": "a\nb"}},
        {"settings": GOOD["settings"] | {"aws-region": "x"}},
        {"environment": {"PATH": "env:X"}},
        {"environment": {"PGPASSWORD": "env:X"}},
        {"environment": {"WALG_LIBSODIUM_KEY": "hunter2"}},
        {"config": "walg.json"},
        {"format": "pg_dump"},
    ],
)
def test_settings_that_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WalGSource.model_validate(GOOD | more)


def test_settings_that_are_taken() -> None:
    found = WalGSource.model_validate(
        GOOD | {"config": "~/.walg.json", "environment": {"WALG_PGP_KEY": "file:/etc/key"}}
    )
    assert found.format == "physical"
    assert found.can.untried
