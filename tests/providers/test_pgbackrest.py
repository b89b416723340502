"""pgBackRest as a source: real repositories by the real program, damaged in every way, laid down and
started; and programs that only pretend to be pgBackRest."""

import gzip
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from support.pg import signals_of
from support.pgbackrest import (
    PASSWORD,
    STANZA,
    Business,
    needs_pgbackrest,
    opened,
    picture,
    place_in,
    segments,
    source,
    spoil,
)

from drbook.core.errors import Cancelled, CouldNotVerify, StepFailed, UsageError
from drbook.core.points import RecoveryPoint
from drbook.core.signals import Progress, finish
from drbook.providers import backrestcopy, backrestprogram
from drbook.providers.backrestcopy import ArchivedWal
from drbook.providers.backrestlist import archives_in
from drbook.providers.pgserver import ClusterServer
from drbook.providers.process import complete
from drbook.providers.sources.base import PhysicalSource
from drbook.providers.sources.pgbackrest import PgBackRestSource
from drbook.testing import cancelled_opening, opening

pytestmark = [needs_pgbackrest, pytest.mark.xdist_group("pgbackrest")]


def points(reader: PhysicalSource) -> list[RecoveryPoint]:
    return list(finish(reader.points()))


@pytest.fixture
def reader(business: Business) -> Iterator[PhysicalSource]:
    made = opened(source(business))
    yield made
    made.close()


@pytest.fixture
def copied(business: Business, tmp_path: Path) -> Iterator[PhysicalSource]:
    """A reader of a copy of the bundled repository in `tmp_path/r`, which may be damaged."""
    shutil.copytree(business.plain, tmp_path / "r", symlinks=True)
    made = opened(source(business, repository=str(tmp_path / "r")))
    yield made
    made.close()


def sealed(business: Business, **more: object) -> PgBackRestSource:
    fields = {"repository": str(business.sealed), "cipher_password": "env:WORD"}
    return source(business, **(fields | more))


# --- the list ----------------------------------------------------------------------------------------


def test_each_backup_says_what_it_needs_and_where_it_leads(
    business: Business, reader: PhysicalSource
) -> None:
    found = points(reader)
    full, diff, incr = business.full, business.differential, business.incremental
    assert [one.id for one in found] == [incr, diff, full]
    assert [one.needs for one in found] == [(full, diff), (full,), ()]
    for one in found:
        assert (one.format, one.taken_by, one.encrypted) == ("physical", "tool", False)
        assert (one.server_version or 0) // 10000 == business.tools.major
        assert one.system_identifier == business.system_identifier
        assert one.size > 1_000_000
        assert one.rolls_to is not None
        assert one.rolls_to >= business.before_delete.replace(microsecond=0) >= one.taken_at
        assert "clock" in one.rolls_note
        facts = reader.facts(one)
        assert facts.still_there
        assert facts.bytes.state == "unread"


def test_an_encrypted_repository_says_so(business: Business) -> None:
    reader = opened(sealed(business))
    try:
        (one,) = points(reader)
        assert one.encrypted
    finally:
        reader.close()


def test_a_configuration_is_read_as_it_is(business: Business) -> None:
    reader = opened(source(business, repository=None, config=str(business.conf), repo=2))
    try:
        assert reader.survey().resource == os.path.realpath(business.sealed)
        assert [one.encrypted for one in points(reader)] == [True]
    finally:
        reader.close()


OWN = 8
"""The segment in which the newest backup begins and ends: each one begins a new segment."""
Damage = Callable[[Path, Business], object]


def _labels(root: Path, name: str) -> Path:
    return root / "backup" / STANZA / name


def _without_a_segment(number: int) -> Damage:
    """Leave out one of the archive, by its number."""

    def damage(root: Path, _: Business) -> None:
        (one,) = (path for path in segments(root) if int(path.name[16:24], 16) == number)
        one.unlink()

    return damage


def test_a_gap_ends_the_row_before_it(
    business: Business, copied: PhysicalSource, tmp_path: Path
) -> None:
    newest = points(copied)[0]
    last = int(segments(tmp_path / "r")[-1].name[16:24], 16)
    _without_a_segment(last - 1)(tmp_path / "r", business)
    found = points(copied)[0]
    assert found.rolls_to is not None
    assert newest.rolls_to is not None
    assert found.rolls_to <= newest.rolls_to
    assert f"{last - 1:08X} is missing" in found.rolls_note
    assert copied.facts(found).bytes.state == "unread"


def test_nothing_behind_the_copy_is_no_row(
    business: Business, copied: PhysicalSource, tmp_path: Path
) -> None:
    assert points(copied)[0].rolls_to is not None
    for path in segments(tmp_path / "r"):
        if int(path.name[16:24], 16) > OWN:
            path.unlink()
    assert points(copied)[0].rolls_to is None


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda root, made: shutil.rmtree(_labels(root, made.full)), "was made upon is gone"),
        (lambda root, made: shutil.rmtree(_labels(root, made.incremental)), "its folder is gone"),
        (_without_a_segment(OWN), "cannot become consistent"),
    ],
    ids=["parent", "itself", "wal"],
)
def test_what_is_missing_by_name_is_seen_at_once(
    business: Business, copied: PhysicalSource, tmp_path: Path, damage: Damage, says: str
) -> None:
    damage(tmp_path / "r", business)
    newest = points(copied)[0]
    fact = copied.facts(newest).bytes
    assert fact.state == "damaged"
    assert says in fact.reason
    assert finish(copied.check(newest)) == fact


def test_a_folder_that_is_not_listed_is_said(
    business: Business, copied: PhysicalSource, tmp_path: Path
) -> None:
    _labels(tmp_path / "r", "20990101-000000F").mkdir()
    points(copied)
    (left,) = copied.left_out  # type: ignore[attr-defined]
    assert "20990101-000000F" in left


# --- the ways in which there is nothing to list ------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "password", "says"),
    [
        ({"stanza": "another"}, PASSWORD, "no such stanza"),
        ({"repository": "/nowhere/at/all"}, PASSWORD, "/nowhere/at/all is not there"),
        ({"sealed": True}, "another word", "this password"),
        ({"sealed": True, "cipher_password": None}, PASSWORD, "no password is given"),
        ({"cipher_password": "env:WORD"}, PASSWORD, "this password"),
        ({"repository": None, "config": "/nowhere.conf"}, PASSWORD, "/nowhere.conf cannot be read"),
    ],
    ids=["stanza", "place", "wrong", "without", "needless", "config"],
)
def test_what_cannot_be_listed_is_never_empty(
    business: Business, fields: dict[str, object], password: str, says: str
) -> None:
    config = (sealed if fields.pop("sealed", False) else source)(business, **fields)
    reader = opened(config, password)
    try:
        found = reader.survey()
        assert not found.reachable
        assert says in found.why_unreachable
        with pytest.raises(CouldNotVerify) as raised:
            points(reader)
        assert says in raised.value.what
        assert raised.value.next
        assert password not in raised.value.explain()
    finally:
        reader.close()


def test_a_stanza_whose_list_is_gone_is_not_without_backups(
    business: Business, copied: PhysicalSource, tmp_path: Path
) -> None:
    for name in ("backup.info", "backup.info.copy"):
        _labels(tmp_path / "r", name).unlink()
    with pytest.raises(CouldNotVerify, match=r"backup\.info is not"):
        points(copied)


def test_a_stanza_that_has_no_backup_yet_is_an_empty_list(
    business: Business, tmp_path: Path
) -> None:
    conf = tmp_path / "pgbackrest.conf"
    text = business.conf.read_text().replace(f"{business.root}/plain", str(tmp_path / "r"))
    text = "\n".join(line for line in text.splitlines() if not line.startswith("repo2-"))
    conf.write_text(text)
    done = complete(
        ["pgbackrest", f"--config={conf}", f"--stanza={STANZA}", "--no-online", "stanza-create"]
    )
    assert done.exit_code == 0, done.stdout + done.stderr
    reader = opened(source(business, repository=str(tmp_path / "r")))
    try:
        assert reader.survey().reachable
        assert points(reader) == []
    finally:
        reader.close()


# --- is it whole? ------------------------------------------------------------------------------------


def _largest(root: Path, label: str) -> Path:
    files = [path for path in _labels(root, label).rglob("*") if path.is_file()]
    return max((path for path in files if "manifest" not in path.name), key=_size)


def _size(path: Path) -> int:
    return path.stat().st_size


def _manifests_cut(root: Path, made: Business) -> None:
    for path in _labels(root, made.incremental).glob("backup.manifest*"):
        path.chmod(0o600)
        os.truncate(path, 500)


def _own_wal_spoilt(root: Path, _: Business) -> None:
    (one,) = (path for path in segments(root) if int(path.name[16:24], 16) == OWN)
    spoil(one)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda root, made: spoil(_largest(root, made.full)), "missing or not what they were"),
        (lambda root, made: _largest(root, made.full).unlink(), "file missing"),
        (_manifests_cut, "manifest cannot be read"),
        (_own_wal_spoilt, "become consistent without is damaged"),
    ],
    ids=["flipped", "missing", "manifest", "wal"],
)
def test_damage_of_a_copy_and_of_what_it_needs_is_found(
    business: Business, copied: PhysicalSource, tmp_path: Path, damage: Damage, says: str
) -> None:
    newest = points(copied)[0]
    damage(tmp_path / "r", business)
    fact = finish(copied.check(newest))
    assert fact.state == "damaged", fact
    assert says in fact.reason


def test_a_good_copy_beside_a_damaged_one_is_good(
    business: Business, copied: PhysicalSource, tmp_path: Path
) -> None:
    found = {one.id: one for one in points(copied)}
    _manifests_cut(tmp_path / "r", business)
    assert finish(copied.check(found[business.full])).state == "intact"
    assert finish(copied.check(found[business.differential])).state == "intact"


def test_damaged_wal_behind_a_copy_cuts_how_far_it_leads(
    copied: PhysicalSource, tmp_path: Path
) -> None:
    newest = points(copied)[0]
    assert not finish(copied.check(newest)).rolls_less
    spoil(segments(tmp_path / "r")[-1])
    fact = finish(copied.check(newest))
    assert (fact.state, fact.rolls_less) == ("intact", True), fact
    assert newest.rolls_to is not None
    assert fact.rolls_to is None or fact.rolls_to <= newest.rolls_to  # by the second


def test_a_copy_of_which_nothing_tells_where_its_files_go_is_not_chosen(
    business: Business, copied: PhysicalSource, tmp_path: Path
) -> None:
    newest = points(copied)[0]
    (_labels(tmp_path / "r", newest.id) / "backup.manifest").unlink()
    fact = finish(copied.check(newest))
    assert fact.state == "unknown", fact
    assert "its backup.manifest is missing" in fact.reason


def test_one_file_of_an_encrypted_copy_is_found_damaged(business: Business, tmp_path: Path) -> None:
    shutil.copytree(business.sealed, tmp_path / "r", symlinks=True)
    reader = opened(sealed(business, repository=str(tmp_path / "r")))
    try:
        (one,) = points(reader)
        assert finish(reader.check(one)).state == "intact"
        spoil(_largest(tmp_path / "r", one.id))
        fact = finish(reader.check(one))
        assert (fact.state, "1 of its" in fact.reason) == ("damaged", True)
    finally:
        reader.close()


def test_what_cannot_be_asked_is_not_verified(
    copied: PhysicalSource, tmp_path: Path, business: Business
) -> None:
    newest = points(copied)[0]
    shutil.rmtree(tmp_path / "r")
    with pytest.raises(CouldNotVerify) as raised:
        finish(copied.check(newest))
    assert raised.value.means == "Whether it is whole is unknown."
    again = opened(source(business, repository=str(tmp_path / "r")))
    assert again.facts(newest).bytes.state == "unknown"
    again.close()


# --- laid down, and rolled forward -------------------------------------------------------------------


def start(
    business: Business, reader: PhysicalSource, folder: Path, **settings: str
) -> tuple[ClusterServer, Path]:
    """Lay the newest copy down and start it with all the WAL that the archive hands out."""
    server = ClusterServer(business.tools, folder / "server", name="restored")
    place = place_in(folder, server)
    archive = finish(reader.lay_down(points(reader)[0], place))
    assert archive is not None
    wal = folder / "wal"
    wal.mkdir()
    try:
        for number in range(1, 40):
            name = f"0000000100000000{number:08X}"
            if archive.get(name, wal / name):
                (wal / name).chmod(0o644)
            else:
                assert not (wal / name).exists()
        assert not archive.get("00000002.history", wal / "none")
    finally:
        archive.close()
        archive.close()
    (place.data / "recovery.signal").touch()
    given = {"restore_command": f"cp {wal}/%f %p", "fsync": "off", "hot_standby": "off"}
    given |= {"recovery_target_action": "promote", "recovery_target_inclusive": "off"}
    finish(server.start(given | settings))
    return server, wal


def rows(server: ClusterServer) -> tuple[int, int, int]:
    """Bookings, the last of them, and rooms: those lie in a tablespace."""
    with psycopg.connect(host=str(server.socket), user="postgres", dbname="postgres") as connection:
        text = "SELECT count(*), coalesce(max(id), 0), (SELECT count(*) FROM rooms) FROM bookings"
        found = connection.execute(text).fetchone()
        assert found is not None
        return found


def test_it_is_rolled_forward_to_right_before_the_delete(
    business: Business, reader: PhysicalSource, tmp_path: Path
) -> None:
    before = picture(business.plain)
    server, _ = start(
        business, reader, tmp_path, recovery_target_time=business.before_delete.isoformat(sep=" ")
    )
    try:
        assert rows(server) == (1152, 2001, 70)
    finally:
        server.stop()
    assert picture(business.plain) == before
    assert not any((tmp_path / "server" / "scratch").iterdir())


def test_its_wal_is_read_without_laying_it_down(
    business: Business, reader: PhysicalSource, tmp_path: Path
) -> None:
    """The same bytes that a recovery gets, checked against what was archived."""
    point = points(reader)[-1]
    assert point.wal_from is not None
    archive = reader.wal(point, tmp_path)
    assert archive is not None
    try:
        assert archive.get(point.wal_from, tmp_path / "segment")
        data = (tmp_path / "segment").read_bytes()
        assert len(data) == 16 * 1024 * 1024
        assert int.from_bytes(data[:2], "little") & 0xFF00 == 0xD100
        assert not archive.get("0000000100000000000000EE", tmp_path / "none")
        assert not archive.get("00000002.history", tmp_path / "none")
    finally:
        archive.close()


def test_it_is_laid_down_within_its_place_and_says_how_far(
    business: Business, reader: PhysicalSource, tmp_path: Path
) -> None:
    place = place_in(tmp_path / "fresh")
    archive, said = signals_of(reader.lay_down(points(reader)[-1], place))
    assert archive is not None
    archive.close()
    (oid,) = (path.name for path in (place.data / "pg_tblspc").iterdir())
    assert os.readlink(place.data / "pg_tblspc" / oid) == str(place.tablespaces / oid)
    assert [path.name for path in place.tablespaces.iterdir()] == [oid], "no name from outside"
    assert not (place.data / "recovery.signal").exists()
    settings = (place.data / "postgresql.auto.conf").read_text()
    assert "restore_command" not in settings
    assert "recovery" not in settings
    assert {path.name for path in tmp_path.iterdir()} == {"fresh"}
    owner = os.stat(tmp_path / "fresh" / "scratch").st_uid
    assert {path.lstat().st_uid for path in place.data.rglob("*")} == {owner}
    shares = [one.done for one in said if isinstance(one, Progress) and one.unit == "bytes"]
    assert shares == sorted(shares)
    assert shares[-1] > 0


def test_a_damaged_copy_is_not_laid_down(
    business: Business, copied: PhysicalSource, tmp_path: Path
) -> None:
    full = points(copied)[-1]
    spoil(_largest(tmp_path / "r", business.full))
    with pytest.raises(StepFailed) as raised:
        finish(copied.lay_down(full, place_in(tmp_path / "fresh")))
    assert raised.value.code == "lay-down"
    assert "pgBackRest says" in raised.value.what
    assert raised.value.next


def test_a_link_out_of_the_place_is_refused(
    reader: PhysicalSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_in(tmp_path / "fresh")
    (place.data / "global").mkdir()
    (place.data / "global" / "1262").symlink_to("/etc/passwd")
    with pytest.raises(backrestprogram.Failed, match="out of the place"):
        backrestcopy._put_in_order(place, os.stat(place.data))


def wal_of(business: Business, repository: Path) -> ArchivedWal:
    """The archive as it is handed out with a copy."""
    config = source(business, repository=str(repository))
    given = opening({})
    program = backrestprogram.PgBackRest(config, given.secrets, given.cancel)
    try:
        text = program.ask("repo-ls", "--output=json", "--recurse", f"archive/{STANZA}")
    finally:
        program.close()
    (archive,) = archives_in(text).values()
    control = business.root / "server" / "data" / "global" / "pg_control"
    return ArchivedWal(program, archive, control)


def test_wal_that_cannot_be_had_is_not_its_end(business: Business, tmp_path: Path) -> None:
    shutil.copytree(business.plain, tmp_path / "r", symlinks=True)
    archive = wal_of(business, tmp_path / "r")
    try:
        names = [path.name[:24] for path in segments(tmp_path / "r")]
        for bad in ("../../etc/passwd", "--help", f"{names[0]}.partial", ""):
            with pytest.raises(UsageError):
                archive.get(bad, tmp_path / "got")
        spoil(segments(tmp_path / "r")[-1])
        with pytest.raises(StepFailed) as raised:
            archive.get(names[-1], tmp_path / "got")
        assert raised.value.code == "wal-damaged"
        assert not (tmp_path / "got").exists()
        shutil.rmtree(tmp_path / "r")
        with pytest.raises(StepFailed, match="cannot be had"):
            archive.get(names[0], tmp_path / "got")
    finally:
        archive.close()


def test_wal_with_other_bytes_is_not_handed_out(business: Business, tmp_path: Path) -> None:
    """Stored as it is, nothing but its digest tells: a server would take it for the end of the WAL."""
    shutil.copytree(business.plain, tmp_path / "r", symlinks=True)
    packed = segments(tmp_path / "r")[-1]
    plain = packed.with_suffix("")
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    archive = wal_of(business, tmp_path / "r")
    try:
        name = packed.name[:24]
        assert archive.get(name, tmp_path / "good")
        spoil(plain)
        with pytest.raises(StepFailed, match="others than when it was archived"):
            archive.get(name, tmp_path / "bad")
        assert not (tmp_path / "bad").exists()
    finally:
        archive.close()


def test_a_data_directory_has_no_files_to_fetch(reader: PhysicalSource) -> None:
    with pytest.raises(StepFailed) as raised:
        reader.files(points(reader)[0])
    assert raised.value.code == "physical"


# --- secrets, cancelling, and other programs ---------------------------------------------------------


def test_an_encrypted_copy_is_rolled_to_its_end_and_no_argument_holds_its_password(
    business: Business, tmp_path: Path
) -> None:
    """Also none of the processes that pgBackRest itself starts."""
    seen: set[bytes] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.03):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue  # it has ended

    before = picture(business.sealed)
    watcher = threading.Thread(target=look)
    reader = opened(sealed(business))
    watcher.start()
    try:
        _, said = signals_of(reader.check(points(reader)[0]))
        server, _ = start(business, reader, tmp_path)
        try:
            assert rows(server) == (0, 0, 70), "the delete is the end of the archive"
        finally:
            server.stop()
    finally:
        done.set()
        watcher.join()
        reader.close()
    assert picture(business.sealed) == before
    assert any(b"verify" in argv for argv in seen), "nothing was seen"
    assert not [argv for argv in seen if PASSWORD.encode() in argv]
    assert not [one for one in said if PASSWORD in repr(one)]


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program called pgbackrest; the script is for sh, and gets `version` right by itself."""
    folder.mkdir()
    program = folder / "pgbackrest"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && echo "pgBackRest ${{VERSION:-2.45}}" && exit\n{script}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 3", "exit code 3"),
        ("echo 'ERROR: [038]: locked away' >&2; exit 38", "locked away"),
        ("echo nonsense", "cannot be read"),
        ("echo '[]'", "cannot be read"),
        ("sleep 60", "did not end within"),
    ],
)
def test_a_program_that_answers_otherwise_is_no_empty_list(
    business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str
) -> None:
    pretend(tmp_path / "bin", monkeypatch, script)
    monkeypatch.setattr(backrestprogram.PgBackRest.ask, "__defaults__", None)
    monkeypatch.setattr(
        backrestprogram.PgBackRest.ask, "__kwdefaults__", {"timeout": timedelta(seconds=1)}
    )
    reader = opened(source(business))
    try:
        assert says in reader.survey().why_unreachable
        with pytest.raises(CouldNotVerify, match=says):
            points(reader)
    finally:
        reader.close()


def test_a_missing_program_is_said(
    business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    reader = opened(source(business))
    assert "unavailable: pgBackRest is not installed here" in reader.survey().why_unreachable
    with pytest.raises(CouldNotVerify, match="not installed here") as raised:
        points(reader)
    assert "nstall pgbackrest" in raised.value.next
    reader.close()


def test_reading_as_of_a_moment_needs_a_newer_program(
    business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = {"bucket": "vault", "endpoint": "localhost", "access_key": "env:WORD", "secret_key": "env:WORD"}  # fmt: skip
    config = source(business, repository="/", s3=s3, as_of="2026-04-24T19:00:00Z")
    pretend(tmp_path / "bin", monkeypatch, f"printf '%s\\n' \"$@\" > {tmp_path}/argv; exit 9")
    reader = opened(config)
    assert "needs pgBackRest 2.46 or newer; here is 2.45" in reader.survey().why_unreachable
    assert not (tmp_path / "argv").exists(), "it was not tried"
    program = tmp_path / "bin" / "pgbackrest"
    program.write_text(program.read_text().replace("2.45", "2.54.2"))
    again = opened(config)
    assert "exit code 9" in again.survey().why_unreachable
    argv = (tmp_path / "argv").read_text().splitlines()
    assert "--repo-target-time=2026-04-24 19:00:00+00:00" in argv
    assert "--repo1-s3-bucket=vault" in argv
    assert not [one for one in argv if PASSWORD in one]
    reader.close()
    again.close()


def test_a_cancelled_check_ends(business: Business) -> None:
    reader = source(business).open(cancelled_opening({}))
    assert isinstance(reader, PhysicalSource)
    fresh = opened(source(business))
    newest = points(fresh)[0]
    fresh.close()
    with pytest.raises(Cancelled):
        finish(reader.check(newest))
    reader.close()


def test_nothing_is_left_of_what_it_wrote_for_itself(
    business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reader = opened(source(business))
    newest = points(reader)[0]
    assert finish(reader.check(newest)).state == "intact"
    reader.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["restore", "archive-get"])
def test_nothing_is_kept_where_only_the_server_s_user_may_write(command: str) -> None:
    given = opening()
    program = backrestprogram.PgBackRest(
        PgBackRestSource(id="b", stanza="rental", repository="/srv/repository"),
        given.secrets,
        given.cancel,
    )
    try:
        argv = program.argv(command)
        own = str(program.own)
        for option in ("--log-path", "--lock-path"):
            assert f"{option}={own}" in argv
        # A restore clears the spool of its stanza, which lies in /var/spool unless it is told otherwise.
        assert f"--spool-path={own}" in argv or "--no-archive-async" in argv
    finally:
        program.close()
