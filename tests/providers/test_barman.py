"""Barman as a source: real backups by the real program, damaged in every way, laid down and started."""

import json
import os
import shutil
from pathlib import Path

import pytest
from support.barman import (
    PROGRAMS,
    Business,
    Home,
    a_business,
    a_place,
    fetched,
    flip,
    orders,
    point,
    rolled_forward,
)
from support.pg import drain, signals_of
from support.restic import pretend, snapshot_of

from drbook.core.errors import Cancelled, CouldNotVerify, StepFailed
from drbook.core.points import RecoveryPoint
from drbook.core.signals import Output
from drbook.providers import barmanprogram
from drbook.providers.barmansource import verdict
from drbook.providers.cancel import CancelToken
from drbook.providers.pgtools import PgTools, choose, find_tools
from drbook.providers.sources.base import Opening, PhysicalSource

pytestmark = pytest.mark.xdist_group("barman")  # one worker makes the backups, once


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="module")
def server_tools() -> PgTools:
    return choose([one for one in find_tools() if one.origin == "extra"], server=True)[0]


@pytest.fixture(scope="module")
def business(server_tools: PgTools, tmp_path_factory: pytest.TempPathFactory) -> Business:
    return a_business(server_tools, tmp_path_factory.mktemp("barman"))


@pytest.fixture
def home(business: Business, tmp_path: Path) -> Home:
    """One to damage."""
    return business.home.copy(tmp_path / "barman")


def _points(source: PhysicalSource) -> list[RecoveryPoint]:
    return list(drain(source.points()))


def test_finished_backups_are_listed_and_the_others_are_left_out_aloud(business: Business) -> None:
    source = business.home.open()
    found, said = signals_of(source.points())
    assert [one.id for one in found] == [business.second, business.first]
    newest = found[0]
    assert (newest.format, newest.taken_by, newest.needs) == ("physical", "tool", ())
    assert newest.system_identifier == business.system
    assert newest.server_version is not None
    assert newest.encrypted is False
    assert newest.size > 10_000_000
    (left,) = source.left_out  # type: ignore[attr-defined]
    assert left.startswith(f"backup {business.waiting}: it waits for WAL")
    assert Output(f"left out: {left}") in said


def test_a_gap_ends_how_far_a_copy_rolls_forward(business: Business) -> None:
    for one in _points(business.home.open()):
        assert one.rolls_to is not None
        assert one.rolls_to > business.before_delete
        assert "as Barman archived it" in one.rolls_note
        assert "is missing, so that what lies behind it is out of reach" in one.rolls_note


def test_the_place_is_surveyed_and_nothing_of_it_is_changed(business: Business, home: Home) -> None:
    before = snapshot_of(home.main)
    source = home.open()
    facts = source.survey()
    assert facts.reachable, facts.why_unreachable
    assert facts.resource == str(home.main)
    for one in _points(source):
        assert source.facts(one).bytes.state == "unread"
        with pytest.raises(StepFailed) as caught:
            source.files(one)
        assert caught.value.code == "physical"
    assert drain(source.check(point(_points(source), business.first))).state == "intact"
    assert snapshot_of(home.main) == before


def _state(home: Home, id: str) -> tuple[str, str]:
    source = home.open()
    fact = drain(source.check(point(_points(source), id)))
    return fact.state, fact.reason


def _table(home: Home, id: str) -> Path:
    return max(home.main.glob(f"base/{id}/data/base/*/*"), key=lambda path: path.stat().st_size)


def test_a_flipped_bit_is_damage(business: Business, home: Home) -> None:
    flip(_table(home, business.first))
    state, reason = _state(home, business.first)
    assert state == "damaged"
    assert "checksum mismatch" in reason


def test_a_missing_file_is_damage(business: Business, home: Home) -> None:
    gone = _table(home, business.first)
    gone.unlink()
    state, reason = _state(home, business.first)
    assert state == "damaged"
    assert gone.name in reason
    assert "manifest but not on disk" in reason


def test_a_missing_manifest_proves_nothing(business: Business, home: Home) -> None:
    (home.main / "base" / business.first / "data" / "backup_manifest").unlink()
    state, reason = _state(home, business.first)
    assert (state, reason) == (
        "unknown",
        f"backup {business.first} has no manifest to verify it by",
    )


def _own_wal(home: Home, id: str) -> Path:
    label = (home.main / "base" / id / "data" / "backup_label").read_text()
    return home.wal(label.partition("(file ")[2][:24])


def test_missing_wal_is_damage_and_is_known_from_the_list(business: Business, home: Home) -> None:
    wal = _own_wal(home, business.first)
    wal.unlink()
    home.run("rebuild-xlogdb", "main")
    source = home.open()
    damaged = point(_points(source), business.first)
    assert damaged.rolls_to is None
    assert f"lacks WAL {wal.name}" in damaged.rolls_note
    assert source.facts(damaged).bytes.state == "damaged"
    assert drain(source.check(damaged)).state == "damaged"


def test_wal_that_only_the_list_has_is_found_by_reading(business: Business, home: Home) -> None:
    wal = _own_wal(home, business.first)
    wal.unlink()
    state, reason = _state(home, business.first)
    assert state == "damaged"
    assert f"its WAL {wal.name} cannot be read" in reason


def test_wal_that_is_cut_short_is_damage(business: Business, home: Home) -> None:
    wal = _own_wal(home, business.first)
    data = wal.read_bytes()
    wal.unlink()
    wal.write_bytes(data[:-4096])
    state, reason = _state(home, business.first)
    assert state == "damaged"
    assert "where 16777216 are a whole one" in reason


def test_a_copy_rolls_forward_to_right_before_the_delete(
    business: Business, home: Home, server_tools: PgTools, tmp_path: Path
) -> None:
    before = snapshot_of(home.main)
    source = home.open()
    place = a_place(tmp_path / "server")
    archive = drain(source.lay_down(point(_points(source), business.first), place))
    assert archive is not None
    assert b"restore_command" not in (place.data / "postgresql.auto.conf").read_bytes()
    (link,) = (place.data / "pg_tblspc").iterdir()
    assert Path(os.readlink(link)).parent == place.tablespaces
    assert list(place.scratch.iterdir()) == []
    wal = tmp_path / "wal"
    got = fetched(archive, _own_wal(home, business.first).name, wal)
    assert len(got) >= 3
    assert not archive.get("00000002.history", wal / "00000002.history")
    assert sorted(path.name for path in wal.iterdir()) == got
    assert snapshot_of(home.main) == before
    server = rolled_forward(server_tools, place, wal, business.before_delete)
    try:
        assert orders(server) == list(range(1, 103))
    finally:
        server.stop()


def test_an_archive_that_cannot_be_asked_is_not_its_end(
    business: Business, home: Home, tmp_path: Path
) -> None:
    source = home.open()
    place = a_place(tmp_path / "server")
    archive = drain(source.lay_down(point(_points(source), business.second), place))
    assert archive is not None
    home.config.rename(tmp_path / "elsewhere")
    with pytest.raises(StepFailed) as caught:
        archive.get(_own_wal(home, business.second).name, tmp_path / "wal")
    assert "no such configuration" in caught.value.what
    assert "not the end" in caught.value.means
    assert not list(tmp_path.glob("wal*"))


def test_a_copy_that_lost_its_data_is_not_laid_down(
    business: Business, home: Home, tmp_path: Path
) -> None:
    (home.main / "base" / business.first / "data" / "global" / "pg_control").unlink()
    source = home.open()
    with pytest.raises(StepFailed) as caught:
        drain(source.lay_down(point(_points(source), business.first), a_place(tmp_path / "server")))
    assert caught.value.code == "lay-down"
    assert "pg_control" in caught.value.what


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"server": "other"}, "no such server: Unknown server 'other'; mend `server`"),
        ({"config": "/nowhere/barman.conf"}, "there is no such configuration of Barman's"),
    ],
)
def test_a_wrong_configuration_is_unreachable_by_name(
    business: Business, more: dict[str, str], words: str
) -> None:
    source = business.home.open(**more)
    facts = source.survey()
    assert not facts.reachable
    assert words in facts.why_unreachable
    with pytest.raises(CouldNotVerify) as caught:
        drain(source.points())
    assert "not the same as none" in caught.value.means


def test_another_user_s_barman_is_unreachable(home: Home) -> None:
    home.config.write_text(
        home.config.read_text().replace("barman_user = ", "barman_user = nosuch-")
    )
    assert "does not exist" in home.open().survey().why_unreachable


def test_a_server_that_barman_leaves_alone_is_unreachable(home: Home) -> None:
    home.config.write_text(home.config.read_text() + "active = false\n")
    assert "told to leave this server alone" in home.open().survey().why_unreachable


def test_without_the_program(
    business: Business, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert business.home.open().survey().why_unreachable == (
        "unavailable: barman is not installed here; install barman"
    )


@pytest.mark.parametrize("printed", ["", "[]", "nothing", '{"main": [{"backup_id": "-x"}]}'])
def test_a_list_that_is_none_is_not_an_empty_one(
    business: Business, printed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = pretend(tmp_path / "bin", f"echo '{printed}'")
    (folder / "restic").rename(folder / "barman")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    with pytest.raises(CouldNotVerify):
        drain(business.home.open().points())


def test_a_barman_that_hangs_is_ended(
    business: Business, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = pretend(tmp_path / "bin", "exec sleep 600")
    (folder / "restic").rename(folder / "barman")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(barmanprogram, "ANSWER", barmanprogram.ANSWER / 300)
    with pytest.raises(CouldNotVerify, match="did not end within"):
        drain(business.home.open().points())


def test_who_cancelled_is_not_kept_waiting(business: Business) -> None:
    token = CancelToken()
    token.request("enough")
    source = business.home.source().open(Opening(lambda _: None, token))  # type: ignore[arg-type,return-value]
    with pytest.raises(Cancelled):
        drain(source.points())


def test_a_program_that_barman_lacks_is_no_damage(
    business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Barman asks `file` whether a segment is encrypted; without it, it cannot read what is whole."""
    few = tmp_path / "bin"
    few.mkdir()
    for program in ("sh", "env", "cat", "rsync", "gzip", "cp", "ls"):
        if found := shutil.which(program):
            (few / program).symlink_to(found)
    (few / "barman").symlink_to(f"{PROGRAMS}/barman")
    monkeypatch.setenv("PATH", str(few))
    source = business.home.open()
    newest = _points(source)[0]
    fact = drain(source.check(newest))
    assert fact.state == "unknown"
    assert "a program that Barman needs is not on PATH here" in fact.reason
    assert "'file'" in fact.reason
    archive = source.wal(newest, tmp_path)
    assert archive is not None
    assert newest.wal_from is not None
    with pytest.raises(StepFailed) as failed:
        archive.get(newest.wal_from, tmp_path / newest.wal_from)
    assert "not on PATH here" in failed.value.what
    assert "Install the program" in failed.value.next


@pytest.mark.parametrize(
    "complaint",
    [
        "sh: 1: gzip: not found",
        "bash: line 1: xz: command not found",
        "EXCEPTION: [Errno 2] No such file or directory: 'file'",
    ],
)
def test_what_a_missing_program_leaves_out_is_unknown(complaint: str) -> None:
    assert barmanprogram.lacks_program(complaint)
    printed = json.dumps({"_ERROR": [f"{complaint}", "on disk but size 0"]}).encode()
    assert verdict("x", printed, "").state == "unknown"


def test_a_missing_file_of_data_is_no_missing_program() -> None:
    assert not barmanprogram.lacks_program("No such file or directory: '/srv/barman/main/wals/x'")
    printed = json.dumps({"_ERROR": ["checksum mismatch for file base/1/1"]}).encode()
    assert verdict("x", printed, "").state == "damaged"
