"""WAL-G as a source, over a stand-in that says what WAL-G's documentation and source have it say: copies and
WAL are real, damaged in every way, laid down and rolled forward. No real WAL-G runs here."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path

import psycopg
import pytest
from support.barman import a_place
from support.pg import drain, signals_of
from support.walg import KEY, Store, World, flip, point, program, replaced

from drbook.core.errors import Cancelled, CouldNotVerify, DrbookError, StepFailed
from drbook.core.points import Answer, ByteFact, RecoveryPoint
from drbook.core.recovery import RecoveryAim
from drbook.core.signals import Milestone, Output, ProcessStarted
from drbook.providers import opensample, pgsession, tool
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.pgtools import find_tools
from drbook.providers.secrets import reader
from drbook.providers.sources.base import Opening, PhysicalSource
from drbook.providers.sources.walg import UNTRIED
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget
from drbook.providers.targets.pool import ServerPool
from drbook.providers.walgsource import WalGReader

pytestmark = pytest.mark.xdist_group("wal-g")  # one worker makes the backups, once


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'bin')}{os.pathsep}/usr/bin{os.pathsep}/bin")


@pytest.fixture
def store(walg_world: World, tmp_path: Path) -> Store:
    """One to damage."""
    return walg_world.store.copy(tmp_path / "store")


def _points(source: WalGReader) -> list[RecoveryPoint]:
    return list(drain(source.points()))


def _checked(source: WalGReader, id: str) -> ByteFact:
    return drain(source.check(point(_points(source), id)))


# --- the list ------------------------------------------------------------------------------------------


def test_backups_are_listed_with_what_they_need_and_how_far_they_lead(walg_world: World) -> None:
    source = walg_world.store.open()
    found, said = signals_of(source.points())
    assert [one.id for one in found] == [walg_world.delta, walg_world.full]
    delta, full = found
    assert (delta.needs, full.needs) == ((walg_world.full,), ())
    for one in found:
        assert (one.format, one.taken_by, one.encrypted) == ("physical", "tool", None)
        assert one.system_identifier == walg_world.system
        assert one.server_version == walg_world.tools.major * 10000
        assert one.taken_note.startswith(UNTRIED), "a smaller claim has to look smaller"
        assert one.rolls_to is not None
        assert one.rolls_to > walg_world.before_delete
        assert f"its last segment {walg_world.last}" in one.rolls_note
        assert source.facts(one).bytes.state == "unread"
    assert "permanent" in full.taken_note
    assert delta.size > full.size > 1_000_000
    assert delta.database_bytes is None
    assert any(isinstance(one, Milestone) and UNTRIED in one.text for one in said)
    assert source.left_out == ()


def test_nothing_of_a_secret_is_on_a_command_line(walg_world: World, tmp_path: Path) -> None:
    settings = tmp_path / "walg.json"
    given = {"WALG_FILE_PREFIX": str(walg_world.store.root), "WALG_LIBSODIUM_KEY": KEY}
    settings.write_text(json.dumps(given))
    source = walg_world.store.open(config=str(settings), settings={}, environment={})
    found, said = signals_of(source.points())
    laid, more_said = signals_of(source.lay_down(found[-1], a_place(tmp_path / "place")))
    started = [one for one in (*said, *more_said) if isinstance(one, ProcessStarted)]
    assert laid is not None
    assert started
    assert KEY not in repr((found, said, more_said))
    source.close()


def test_a_secret_that_it_repeats_is_masked(walg_world: World, tmp_path: Path, monkeypatch) -> None:
    settings = tmp_path / "walg.yaml"
    settings.write_text(
        f"WALG_FILE_PREFIX: {walg_world.store.root}\nWALG_LIBSODIUM_KEY: '{KEY}'\nWALG_PGP_KEY: |\n"
        "  -----BEGIN PGP PRIVATE KEY BLOCK-----\n  xcLYBGx0f3kBCAC2Q9nX7yWzq8\n"
    )
    script = (
        f'echo "ERROR: 2026/04/24 10:00:00.0 bad key {KEY} xcLYBGx0f3kBCAC2Q9nX7yWzq8" >&2; exit 1'
    )
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'other', script)}:/usr/bin:/bin")
    source = walg_world.store.open(config=str(settings), settings={}, environment={})
    why = source.survey().why_unreachable
    assert "bad key [secret]" in why
    assert KEY not in why
    assert "xcLYBGx0f3k" not in why


# --- is it whole? --------------------------------------------------------------------------------------


def test_a_good_copy_is_read_to_its_end_and_no_more_is_said(walg_world: World) -> None:
    source = walg_world.store.open()
    fact = _checked(source, walg_world.delta)
    assert fact.state == "structure"
    assert "content unproven" in fact.reason
    assert UNTRIED in fact.reason


def _flip_part(world: World, store: Store) -> None:
    flip(store.parts(world.full)[0])


def _no_part(world: World, store: Store) -> None:
    store.parts(world.full)[0].unlink()


def _no_control(world: World, store: Store) -> None:
    store.parts(world.full)[-1].unlink()


def _no_wal(world: World, store: Store) -> None:
    store.wal(world.full[5:29]).unlink()


def _flip_wal(world: World, store: Store) -> None:
    flip(store.wal(world.full[5:29]))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_flip_part, "part_001.tar.zst: "),
        (_no_part, "lacks part_001.tar.zst"),
        (_no_control, "lacks pg_control.tar"),
        (_no_wal, "lacks WAL"),
        (_flip_wal, "its WAL"),
    ],
)
def test_damage_is_found_in_a_copy_and_in_what_is_made_upon_it(
    walg_world: World, store: Store, damage: Callable[[World, Store], None], words: str
) -> None:
    damage(walg_world, store)
    source = store.open()
    fact = _checked(source, walg_world.full)
    assert fact.state == "damaged", fact.reason
    assert words in fact.reason
    if damage not in (
        _no_wal,
        _flip_wal,
    ):  # a delta needs the archives of its parent, and WAL of its own
        assert _checked(source, walg_world.delta).state == "damaged"


def test_a_lost_parent_is_damage_that_the_list_shows(walg_world: World, store: Store) -> None:
    store.sentinel(walg_world.full).unlink()
    source = store.open()
    (left,) = _points(source)
    assert (left.id, left.needs) == (walg_world.delta, ())
    assert "which is not there" in left.taken_note
    assert source.facts(left).bytes.state == "damaged"
    assert drain(source.check(left)).state == "damaged"
    with pytest.raises(StepFailed, match="which is not there"):
        drain(source.lay_down(left, a_place(walg_world.fast.parent / "lost")))


def test_wal_that_is_missing_behind_a_copy_is_a_gap(walg_world: World, store: Store) -> None:
    """One in the row makes what lies behind it useless; before it nothing is lost."""
    gone = f"{walg_world.last[:-1]}{int(walg_world.last[-1], 16) - 1:X}"
    assert gone == walg_world.delta[5:29]
    store.wal(gone).unlink()
    source = store.open()
    full, delta = (point(_points(source), id) for id in (walg_world.full, walg_world.delta))
    assert source.facts(delta).bytes.state == "damaged"
    assert f"WAL {gone} is missing, so that what lies behind it is out of reach" in full.rolls_note
    assert source.facts(full).bytes.state == "unread"


@pytest.mark.parametrize("key", ["another key of thirty-two letters", ""])
def test_a_wrong_key_and_none_are_unknown_and_not_damage(walg_world: World, key: str) -> None:
    more: dict[str, object] = {} if key else {"environment": {}}
    source = walg_world.store.open(key, **more)
    fact = _checked(source, walg_world.full)
    assert fact.state == "unknown", fact.reason
    assert "its key is not given or is another one's" in fact.reason


def test_a_key_that_nothing_was_tried_on_is_not_said_to_open(walg_world: World) -> None:
    config = walg_world.store.source()
    (found,) = opensample.open_samples([config], reader({"WORD": "another key"}))
    assert found.answer is Answer.UNKNOWN, found.reason


@pytest.mark.parametrize(
    ("asked", "does", "words"),
    [
        ("*wal-fetch*", "echo \"ERROR: Archive 'x' does not exist.\" >&2; exit 74", "listed and not given"),
        ("*wal-fetch*", "exit 0", "did not come"),
        ("*part_001*", "echo \"WARNING: decompressor for extension '.br' was not found\" >&2", "cannot unpack .br"),
        ("*part_001*", "kill -9 $$", "was ended from outside"),
    ],
)  # fmt: skip
def test_what_is_not_given_is_not_damaged(
    walg_world: World, asked: str, does: str, words: str, monkeypatch, tmp_path: Path
) -> None:
    real = program(tmp_path / "real") / "wal-g"
    script = f"""case "$*" in {asked}) {does}; exit 0;; esac; exec {real} "$@" """
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'odd', script)}:/usr/bin:/bin")
    with pytest.raises(CouldNotVerify, match=words):
        _checked(walg_world.store.open(), walg_world.full)


def test_files_that_nothing_names_are_said(walg_world: World, store: Store) -> None:
    store.file(walg_world.full, "files_metadata.json").unlink()
    fact = _checked(store.open(), walg_world.full)
    assert fact.state == "structure"
    assert "nothing tells whether these are all of its archives" in fact.reason


def test_details_that_are_lost_hide_no_other_copy(walg_world: World, store: Store) -> None:
    store.file(walg_world.delta, "metadata.json").unlink()
    source = store.open()
    found = _points(source)
    assert {one.id for one in found} == {walg_world.full, walg_world.delta}
    assert {one.taken_by for one in found} == {"store"}
    assert any("details of the backups cannot be read" in one for one in source.left_out)
    fact = _checked(source, walg_world.full)
    assert fact.state == "unknown", "nobody knows which WAL it needs"


def test_a_wrong_size_of_segments_is_noticed(walg_world: World) -> None:
    given = {"WALG_FILE_PREFIX": str(walg_world.store.root), "WALG_PG_WAL_SIZE": "64"}
    source = walg_world.store.open(settings=given)
    fact = _checked(source, walg_world.full)
    assert fact.state in ("unknown", "damaged")
    assert "WALG_PG_WAL_SIZE" in fact.reason or "is no segment" in fact.reason


# --- what answers nothing, or nonsense -----------------------------------------------------------------


def _refused(source: WalGReader) -> CouldNotVerify:
    facts = source.survey()
    assert not facts.reachable
    with pytest.raises(CouldNotVerify) as caught:
        drain(source.points())
    assert "not the same as none" in caught.value.means
    assert caught.value.next
    return caught.value


def test_without_the_program(walg_world: World, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    source = walg_world.store.open()
    assert source.survey().why_unreachable == (
        "unavailable: wal-g is not installed here; install wal-g, built for PostgreSQL"
    )
    _refused(source)


def test_an_empty_store_is_empty_and_one_that_is_not_there_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "mount")
    assert "there is no store of WAL-G" in _refused(store.open()).what
    store.root.mkdir()
    assert "basebackups_005 is not there" in _refused(store.open()).what
    assert not list(store.root.iterdir()), "WAL-G would make a store of an empty mount point"
    (store.root / "basebackups_005").mkdir()
    source = store.open()
    assert source.survey().reachable
    assert _points(source) == []


def test_a_version_that_prints_nothing_where_there_is_none(
    walg_world: World, monkeypatch, tmp_path: Path
) -> None:
    script = """case "$*" in *backup-list*) echo "INFO: 2022/04/24 10:00:00.1 No backups found" >&2;; *) echo "[]";; esac"""
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'old', script)}:/usr/bin:/bin")
    assert _points(walg_world.store.open()) == []


@pytest.mark.parametrize(
    "printed",
    ["", "{}", "nothing", '[{"backup_name": "base_0000', "[1]", '[{"time": "now"}]', "null"],
)
def test_a_list_that_is_none_is_not_an_empty_one(
    walg_world: World, printed: str, monkeypatch, tmp_path: Path
) -> None:
    script = f"printf '%s' '{printed}'"
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'odd', script)}:/usr/bin:/bin")
    _refused(walg_world.store.open())


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("AccessDenied: Access Denied", "access is denied with these keys"),
        ("configure storage: \x1b[31mwords", "words"),
    ],
)
def test_what_it_complains_of_is_said(
    walg_world: World, complaint: str, words: str, monkeypatch, tmp_path: Path
) -> None:
    script = f"echo 'INFO: 2026/04/24 10:00:00.0 hello' >&2; echo 'ERROR: 2026/04/24 10:00:00.0 {complaint}' >&2; exit 1"
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'sad', script)}:/usr/bin:/bin")
    found = _refused(walg_world.store.open()).what
    assert words in found
    assert "\x1b" not in found
    assert "hello" not in found


def test_a_wal_g_that_hangs_is_ended(walg_world: World, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'slow', 'exec sleep 600')}:/usr/bin:/bin")
    monkeypatch.setattr(tool.Tool.ask, "__kwdefaults__", {"timeout": timedelta(seconds=1)})
    with pytest.raises(CouldNotVerify, match="did not end within"):
        drain(walg_world.store.open().points())


def test_who_cancelled_is_not_kept_waiting(walg_world: World) -> None:
    token = CancelToken()
    token.request("enough")
    source = walg_world.store.source().open(Opening(reader({"WORD": KEY}), token))
    with pytest.raises(Cancelled):
        drain(source.points())


def test_settings_that_cannot_be_read_are_named(walg_world: World) -> None:
    more = {"config": "/nowhere/walg.json", "settings": {}, "environment": {}}
    assert "/nowhere/walg.json cannot be read" in _refused(walg_world.store.open(**more)).what


def test_an_archive_of_wal_that_cannot_be_listed_hides_no_copy(
    walg_world: World, store: Store, monkeypatch, tmp_path: Path
) -> None:
    real = program(tmp_path / "real") / "wal-g"
    script = f"""case "$*" in *wal-show*) printf '[{{"id": 1'; exit 0;; esac; exec {real} "$@" """
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'odd', script)}:/usr/bin:/bin")
    source = store.open()
    found = _points(source)
    assert len(found) == 2
    assert found[0].rolls_to is None
    assert "how far its WAL leads is not known" in found[0].rolls_note
    assert source.facts(found[0]).bytes.state == "unknown"
    assert drain(source.check(found[0])).state == "unknown"


# --- the copy ------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[[PhysicalSource], FreshTargets]]:
    pool = ServerPool()

    def made(source: PhysicalSource) -> FreshTargets:
        tools = find_tools()
        shop = Workshop(
            tmp_path, os.environ, CancelToken(), pool, lambda: tools, physical=lambda _: source
        )
        return FreshTargets(shop, TARGETS())

    yield made
    pool.close()


def test_a_copy_rolls_forward_to_right_before_the_delete(
    walg_world: World, site: Callable[[PhysicalSource], FreshTargets]
) -> None:
    """The full one; the delta goes the whole road in `tests/e2e/test_walg.py`."""
    source = walg_world.store.open()
    chosen = point(_points(source), walg_world.full)
    before = sorted(str(each) for each in walg_world.fast.rglob("*"))
    targets = site(source)
    aim = RecoveryAim(time=walg_world.before_delete)
    (target, report), said = signals_of(
        targets.recover(ClusterTarget(dbname="rental"), "restore-1", chosen, aim, [])
    )
    assert "recovery stopping before commit" in report.stopped
    with pgsession.connect(drain(targets.reach(target)), os.environ) as connection:
        assert _ids(connection, "bookings") == [1, 2, 3, 4, 5]
        assert len(_ids(connection, "notes")) == 50
    assert sorted(str(each) for each in walg_world.fast.rglob("*")) == before, "production's disk"
    assert any(isinstance(one, Milestone) and UNTRIED in one.text for one in said)
    assert any(isinstance(one, Output) for one in said)


def _ids(connection: psycopg.Connection, table: str) -> list[int]:
    found = connection.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()  # type: ignore[call-overload]
    return [row[0] for row in found]


def _no_sentinel_of_tablespaces(world: World, store: Store) -> None:
    text = json.loads(store.sentinel(world.full).read_text())
    text["Spec"]["tablespaces"] = ["../../etc"]
    replaced(store.sentinel(world.full), json.dumps(text).encode())


def _other_parent(world: World, store: Store) -> None:
    text = json.loads(store.sentinel(world.full).read_text())
    replaced(store.sentinel(world.full), json.dumps(text | {"DeltaFrom": world.delta}).encode())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_no_sentinel_of_tablespaces, "something else than its number"),
        (_other_parent, "it says that it was made upon"),
        (_flip_part, "corrupted chunk"),
        (_no_control, "pg_control"),
    ],
)
def test_what_is_not_fit_is_not_laid_down(
    walg_world: World,
    store: Store,
    tmp_path: Path,
    damage: Callable[[World, Store], None],
    words: str,
) -> None:
    source = store.open()
    chosen = point(_points(source), walg_world.full)
    damage(walg_world, store)
    with pytest.raises(DrbookError) as caught:
        drain(source.lay_down(chosen, a_place(tmp_path / "place")))
    assert caught.value.code == "lay-down"
    assert words in caught.value.what


def test_an_archive_that_is_gone_is_not_its_end(
    walg_world: World, store: Store, tmp_path: Path
) -> None:
    source = store.open()
    archive = source.wal(_points(source)[0], tmp_path)
    assert archive is not None
    assert archive.get(walg_world.last, tmp_path / "one")
    assert (tmp_path / "one").stat().st_size == 16 * 2**20
    assert not archive.get("0000000100000000000000FF", tmp_path / "two")
    assert not archive.get("00000002.history", tmp_path / "two")
    store.wal(walg_world.last).unlink()
    with pytest.raises(StepFailed, match="listed it a while ago") as caught:
        archive.get(walg_world.last, tmp_path / "two")
    assert "not the end" in caught.value.means
    replaced(store.wal(walg_world.full[5:29]), b"x" * 100)
    with pytest.raises(StepFailed):
        archive.get(walg_world.full[5:29], tmp_path / "two")
    shutil.move(store.root / "wal_005", tmp_path / "elsewhere")
    with pytest.raises(StepFailed, match="wal_005 is not there"):
        archive.get("0000000100000000000000FF", tmp_path / "two")
    with pytest.raises(StepFailed, match="no name of a WAL file"):
        archive.get("../../etc/passwd", tmp_path / "two")
    assert not list(tmp_path.glob("two*"))
    assert not (store.root / "wal_005").exists(), "WAL-G would make one, and find it empty"
    assert "wal_005 is not there" in _points(store.open())[0].rolls_note


def test_times_of_the_store_stand_in_the_zone_of_their_row(walg_world: World) -> None:
    one = _points(walg_world.store.open())[0]
    assert one.rolls_to is not None
    assert one.rolls_to.timestamp() == pytest.approx(
        walg_world.store.wal(walg_world.last).stat().st_mtime, abs=0.001
    )
    assert one.rolls_to.tzinfo is UTC
