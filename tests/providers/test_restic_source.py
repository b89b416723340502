"""restic as a source: real repositories by the real program, damaged in every way, and programs that
only pretend to be restic."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from support.pg import signals_of
from support.restic import (
    PASSWORD,
    Repository,
    cut,
    flip,
    largest,
    needs_restic,
    pretend,
    snapshot_of,
)
from support.s3 import S3Server

from drbook.core.errors import Cancelled, CouldNotVerify, StepFailed, UsageError
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import Cancel
from drbook.core.signals import Milestone, Output, ProcessStarted, Working
from drbook.providers import copies, download, resticprogram, toolblob, toolsource
from drbook.providers.backups import BackupCatalog
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.sources.restic import ResticSource

DUMP = b"PGDMP\x01\x10" + bytes(range(256)) * 4000


def secret(reference: str) -> Secret:
    known = {"env:PW": PASSWORD, "env:k": "admin", "env:s": "admin-secret", "env:WRONG": "x" * 20}
    if reference not in known:
        raise UsageError(f"The secret {reference} cannot be read: it is not set.", next="Set it.")
    return Secret(known[reference])


class World:
    """A repository with one folder that is backed up into it, and a catalogue of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "nightly"
        self.folder.mkdir()
        self.incident = root / "incident"
        self.incident.mkdir()
        self.place = root / "repository"
        self.cancel = CancelToken()
        self.structure = ByteFact(state="structure", reason="read to its end; content unproven")
        self.catalog = self.open()

    def open(self, **more: object) -> BackupCatalog:
        fields = {"id": "vault", "repository": str(self.place), "password": "env:PW"}
        config = ResticSource.model_validate(fields | more)
        return BackupCatalog(
            [config], self.incident, self.cancel, secrets=secret, check_structure=self._check
        )

    def _check(self, path: Path, cancel: Cancel) -> Working[ByteFact]:
        yield Output("checking")
        return self.structure

    def made(self) -> Repository:
        return Repository(self.place)

    def put(self, name: str, data: bytes = DUMP, *, manifest: bool = False) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if manifest:
            fields = {"drbook_manifest": 1, "name": name, "size": len(DUMP)}
            fields |= {"sha256": hashlib.sha256(DUMP).hexdigest(), "taken_at": _ago(hours=3)}
            path.with_name(path.name + ".manifest.json").write_text(json.dumps(fields))
        return path

    def points(self, catalog: BackupCatalog | None = None) -> list[RecoveryPoint]:
        return list(signals_of((catalog or self.catalog).points("vault"))[0])

    def fetch(self, point: RecoveryPoint) -> tuple[ByteFact, Any]:
        return signals_of(self.catalog.fetch(point))[0]


def _ago(**much: int) -> str:
    return (datetime.now(UTC) - timedelta(**much)).isoformat()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "_FIRST_WAIT", timedelta(milliseconds=5))
    made = World(tmp_path)
    yield made
    made.catalog.close()


def fake(world: World, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (world.place / "snapshots").mkdir(parents=True)
    folder = pretend(world.root / "bin", script)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


LISTS = f"""
for each in "$@"; do case "$each" in
  cat) echo '{{}}'; exit 0;;
  list) exit 0;;
  snapshots) echo '[{{"id": "{"ab" * 32}", "time": "2026-04-24T03:00:00Z", "tree": "t"}}]'; exit 0;;
  ls) echo '{{"struct_type": "snapshot"}}'
    echo '{{"struct_type": "node", "type": "file", "path": "/a.dump", "size": 12, "mtime": "2026-04-24T01:00:00Z"}}'
    exit 0;;
  dump) break;;
esac; done
"""
"""A repository with one dump of twelve bytes; what follows is how it is given out."""


# --- what is listed -----------------------------------------------------------------------------


@needs_restic
def test_every_dump_of_every_snapshot_newest_first(world: World) -> None:
    made = world.made()
    old = world.put("old.dump", manifest=True)
    os.utime(old, (1_700_000_000, 1_700_000_000))
    world.put("dd/toc.dat")
    world.put("dd/1.dat", b"rows")
    world.put("readme.txt")
    first = made.backup(world.folder)
    piped = made.pipe(DUMP, "shop.dump")
    found = world.points()
    assert {(each.id, each.version) for each in found} == {
        ("/nightly/old.dump", first), ("/nightly/dd", first), ("/shop.dump", piped),
    }  # fmt: skip
    by = {each.id: each for each in found}
    assert [each.taken_at for each in found] == sorted((e.taken_at for e in found), reverse=True)
    assert by["/shop.dump"].taken_by == "tool"
    assert by["/nightly/dd"].taken_by == "file"
    assert by["/nightly/dd"].size == len(DUMP) + 4
    assert by["/nightly/old.dump"].size == len(DUMP)
    # Its file was written before its manifest says that it was taken: that is no moment to believe.
    assert by["/nightly/old.dump"].taken_by == "file"
    assert by["/nightly/old.dump"].digest == hashlib.sha256(DUMP).hexdigest()
    assert f"{world.place} snapshot {piped[:8]}: /shop.dump" == by["/shop.dump"].location
    assert len({each.key for each in found}) == 3


@needs_restic
def test_a_manifest_beside_a_dump_dates_it_and_one_that_cannot_be_read_hides_nothing(
    world: World,
) -> None:
    made = world.made()
    world.put("good.dump", manifest=True)
    world.put("bad.dump").with_name("bad.dump.manifest.json").write_text("{}")
    large = world.put("large.dump").with_name("large.dump.manifest.json")
    large.write_bytes(b" " * (16 * 1024 * 1024 + 1))
    world.put("plain.dump")
    made.backup(world.folder)
    by = {each.id: each for each in world.points()}
    assert by["/nightly/good.dump"].taken_by == "manifest"
    for name in ("bad", "large"):
        point = by[f"/nightly/{name}.dump"]
        assert "cannot be read" in point.taken_note
        with pytest.raises(CouldNotVerify):
            world.catalog.manifest(point)
    manifest = world.open().manifest(by["/nightly/good.dump"])
    assert manifest is not None
    assert manifest.size == len(DUMP)
    gone = by["/nightly/good.dump"].model_copy(update={"version": "cd" * 32})
    with pytest.raises(CouldNotVerify, match="not in the repository any more"):
        world.open().manifest(gone)
    elsewhere = by["/nightly/bad.dump"].model_copy(update={"id": "/nightly/plain.dump"})
    with pytest.raises(CouldNotVerify, match="it is not in the snapshot"):
        world.catalog.manifest(elsewhere)
    unsigned = by["/nightly/bad.dump"].model_copy(update={"manifest": None})
    assert world.catalog.manifest(unsigned) is None


@needs_restic
def test_manifests_of_old_copies_are_read_when_they_are_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolsource, "MANIFESTS_READ", 1)
    made = world.made()
    older = world.put("older.dump", manifest=True)
    os.utime(older, (1_700_000_000, 1_700_000_000))
    world.put("newer.dump", manifest=True)
    made.backup(world.folder)
    made.backup(world.folder)
    by = {each.id: each for each in world.points()}
    assert "was not read" in by["/nightly/older.dump"].taken_note
    assert "was not read" not in by["/nightly/newer.dump"].taken_note
    assert world.catalog.manifest(by["/nightly/older.dump"]) is not None


@needs_restic
def test_only_snapshots_that_are_meant(world: World) -> None:
    made = world.made()
    path = world.put("a.dump")
    ours = made.backup(path, "--host=db1", "--tag=nightly,prod")
    made.backup(path, "--host=db2", "--tag=nightly")
    made.pipe(DUMP, "x.bak", "--host=db1")

    def versions(**more: object) -> list[str | None]:
        return [each.version for each in world.points(world.open(**more))]

    assert len(versions()) == 2
    assert versions(host="db1") == [ours]
    assert versions(tags=["nightly", "prod"]) == [ours]
    assert len(versions(path=str(path))) == 2
    assert versions(path="/nowhere") == []
    assert len(versions(files="*.bak")) == 1


@needs_restic
def test_a_repository_without_snapshots_is_empty_and_that_is_known(world: World) -> None:
    world.made()
    assert world.points() == []
    assert world.catalog.left_out("vault") == ()


@needs_restic
def test_the_survey_claims_nothing_it_cannot_see(world: World) -> None:
    world.made()
    facts = world.catalog.survey("vault")
    assert facts.reachable
    assert facts.resource == os.path.realpath(world.place)
    assert facts.versioned.value is False
    for each in (facts.account, facts.deletes_replicated, facts.expires_after_days):
        assert not each.known
    assert not facts.lock_enforced.known


@needs_restic
def test_a_lock_in_the_repository_is_said_and_left(world: World) -> None:
    made = world.made()
    world.put("a.dump")
    made.backup(world.folder)
    lock = world.place / "locks" / ("ab" * 32)
    lock.write_bytes(b"whatever")
    found, signals = signals_of(world.catalog.points("vault"))
    assert len(found) == 1
    assert any("holds 1 lock" in each.text for each in signals if isinstance(each, Milestone))
    assert lock.exists()


@needs_restic
def test_nothing_is_written_and_no_secret_is_told(world: World) -> None:
    made = world.made()
    world.put("a.dump", manifest=True)
    made.backup(world.folder)
    before = snapshot_of(world.place)
    folders = sorted(world.root.iterdir())
    world.catalog.survey("vault")
    (point,), _ = signals_of(world.catalog.points("vault"))
    (_, copy), signals = signals_of(world.catalog.fetch(point))
    assert copy.checked == "digest"
    assert snapshot_of(world.place) == before
    assert sorted(world.root.iterdir()) == folders
    (started,) = (each for each in signals if isinstance(each, ProcessStarted))
    assert {"--no-lock", "--no-cache", "dump", point.version} <= set(started.argv)
    assert PASSWORD not in repr(signals)


# --- what cannot be reached ---------------------------------------------------------------------


def unreachable(world: World, words: str, **more: object) -> None:
    catalog = world.open(**more)
    facts = catalog.survey("vault")
    assert not facts.reachable
    assert words in facts.why_unreachable
    assert PASSWORD not in facts.why_unreachable
    with pytest.raises(CouldNotVerify) as caught:
        world.points(catalog)
    assert "not the same as none" in caught.value.means or "secret" in caught.value.what


@needs_restic
def test_a_wrong_password_is_told_from_a_missing_repository(world: World) -> None:
    world.made()
    unreachable(world, "no key of the repository opens with this password", password="env:WRONG")
    unreachable(world, "there is no repository", repository=str(world.root / "nowhere"))
    unreachable(world, "it is not set", password="env:UNSET")
    unreachable(world, "it is not set", environment={"AWS_ACCESS_KEY_ID": "env:UNSET"})


def test_a_missing_program_is_no_missing_backup(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world.root / "bin").mkdir()
    monkeypatch.setenv("PATH", str(world.root / "bin"))
    unreachable(world, "unavailable: restic is not installed here; install restic")


def test_a_program_that_everybody_may_change_is_not_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(world, monkeypatch, LISTS)
    assert len(world.points()) == 1
    (world.root / "bin").chmod(0o777)
    monkeypatch.setenv("PATH", str(world.root / "bin"))
    unreachable(world, "restic is not installed here")


def test_a_program_that_cannot_be_started_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(world, monkeypatch, LISTS)
    (point,) = world.points()
    (world.root / "bin" / "restic").write_text("#!/nowhere/sh\n")
    unreachable(world, "cannot be started")
    with pytest.raises(StepFailed, match="cannot be started"):
        world.fetch(point)
    (world.root / "bin" / "restic").unlink()
    monkeypatch.setenv("PATH", str(world.root / "bin"))
    with pytest.raises(StepFailed, match="not installed"):
        world.fetch(point)


def test_a_program_that_hangs_is_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(world, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(
        resticprogram.Restic.ask, "__kwdefaults__", {"timeout": timedelta(seconds=1)}
    )
    begun = time.monotonic()
    facts = world.catalog.survey("vault")
    assert "did not end within" in facts.why_unreachable
    with pytest.raises(CouldNotVerify, match="did not end within"):
        world.points()
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("script", ["exec sleep 60", LISTS + "printf xxxx; exec sleep 60"])
def test_a_stop_is_heard_while_it_hangs(
    world: World, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    fake(world, monkeypatch, script)

    def run() -> None:
        (point,) = world.points()
        for signal in world.catalog.fetch(point):
            if isinstance(signal, ProcessStarted):
                later.start()

    later = Timer(1.0, lambda: world.cancel.request("enough"))
    if script.startswith("exec sleep"):
        later.start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        run()
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo nonsense", "cannot be read"),
        ("exit 3", "exit code 3 and said nothing"),
        (LISTS.replace('"struct_type": "snapshot"', '"struct_type": "what"'), ""),
        (LISTS.replace("/a.dump", "a.dump"), "cannot be read"),
    ],
)
def test_a_program_that_is_not_restic(
    world: World, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    fake(world, monkeypatch, script)
    if words:
        with pytest.raises(CouldNotVerify, match=words):
            world.points()
    else:  # as restic 0.14 does for a snapshot that it does not find
        assert world.points() == []
        (left,) = world.catalog.left_out("vault")
        assert "not in the repository any more" in left


# --- damage -------------------------------------------------------------------------------------


def remove(path: Path) -> None:
    path.unlink()


@needs_restic
@pytest.mark.parametrize(
    ("harm", "words"),
    [(cut, "EOF"), (flip, "ciphertext verification failed"), (remove, "no such file")],
)
def test_a_damaged_pack_is_damage_and_hides_no_other_copy(
    world: World, harm: Callable[[Path], None], words: str
) -> None:
    made = world.made()
    good = made.pipe(DUMP[:5] + os.urandom(2_000_000), "shop.dump")
    before = made.packs()
    bad = made.pipe(DUMP[:5] + os.urandom(2_000_000), "shop.dump")
    harm(largest(made.packs() - before))
    by = {each.version: each for each in world.points()}
    assert set(by) == {good, bad}
    fact, copy = world.fetch(by[bad])
    assert (fact.state, copy) == ("damaged", None)
    assert words in fact.reason
    assert [each.name for each in (world.incident / "copies").iterdir()] == []
    fact, copy = world.fetch(by[good])
    assert fact.state == "structure"
    assert copy.size == 2_000_005


@needs_restic
def test_a_damaged_file_of_a_folder_leaves_nothing_of_it(world: World) -> None:
    made = world.made()
    world.put("dd/toc.dat", os.urandom(2_000_000))
    world.put("dd/1.dat", b"rows")
    made.backup(world.folder)
    (point,) = world.points()
    fact, copy = world.fetch(point)
    assert copy.size == 2_000_004
    for each in (world.incident / "copies").iterdir():
        copies.remove(each)
    flip(largest(made.packs()))
    fact, copy = world.fetch(point)
    assert (fact.state, copy) == ("damaged", None)
    assert list((world.incident / "copies").iterdir()) == []


@needs_restic
def test_a_disk_that_was_unmounted_is_no_damage(world: World) -> None:
    made = world.made()
    made.pipe(DUMP, "shop.dump")
    (point,) = world.points()
    (world.place / "config").rename(world.root / "config")
    with pytest.raises(StepFailed, match="there is no repository"):
        world.fetch(point)
    assert world.open().facts(point).bytes.state == "unknown"


def test_a_disk_that_goes_while_it_is_read_is_no_damage(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(
        world,
        monkeypatch,
        LISTS + "echo 'ReadFull(<data/x>): no such file or directory' >&2; exit 1",
    )
    (world.place / "config").touch()
    (point,) = world.points()
    assert world.fetch(point)[0].state == "damaged"
    (world.place / "config").unlink()
    with pytest.raises(StepFailed, match="not there any more"):
        world.fetch(point)


@needs_restic
def test_a_lost_index_leaves_nothing_listed_and_says_so(world: World) -> None:
    made = world.made()
    made.pipe(DUMP, "shop.dump")
    (point,) = world.points()
    for path in made.files("index"):
        path.unlink()
    catalog = world.open()
    assert world.points(catalog) == []
    (left,) = catalog.left_out("vault")
    assert "index does not lead to it" in left
    assert catalog.facts(point).bytes.state == "unknown"
    with pytest.raises(StepFailed, match="index"):
        signals_of(catalog.fetch(point))
    # Where it was listed before, its bytes are what cannot be had: another copy is read then.
    assert world.fetch(point)[0].state == "unknown"


@needs_restic
def test_lost_keys_are_not_called_an_empty_repository(world: World) -> None:
    made = world.made()
    made.pipe(DUMP, "shop.dump")
    for path in made.files("keys"):
        path.unlink()
    unreachable(world, "or the key is gone")


@needs_restic
def test_a_lost_folder_of_snapshots_is_not_called_an_empty_repository(world: World) -> None:
    """restic 0.14 prints an empty list and ends well."""
    made = world.made()
    made.pipe(DUMP, "shop.dump")
    for path in made.files("snapshots"):
        path.unlink()
    (world.place / "snapshots").rmdir()
    with pytest.raises(CouldNotVerify, match="folder of snapshots is gone"):
        world.points()


@needs_restic
def test_a_damaged_snapshot_hides_no_other_one(world: World) -> None:
    """restic 0.14 leaves it out of its list and ends well."""
    made = world.made()
    made.pipe(DUMP, "shop.dump")
    good = made.pipe(DUMP + b"more", "shop.dump")
    cut(next(path for path in made.files("snapshots") if path.name != good))
    found = world.points()
    assert [each.version for each in found] == [good]
    assert any("could not load snapshot" in each for each in world.catalog.left_out("vault"))


# --- bytes --------------------------------------------------------------------------------------


@needs_restic
def test_a_fetch_that_was_broken_off_goes_on_behind_what_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.made()
    data = b"PGDMP" + os.urandom(3_000_000)
    made.pipe(data, "shop.dump")
    (point,) = world.points()
    work = world.catalog.fetch(point)
    for signal in work:
        if getattr(signal, "label", "").startswith("download") and signal.done > 0:  # type: ignore[union-attr]
            break
    work.close()
    (part,) = (world.incident / "copies").glob("*.part")
    assert 0 < part.stat().st_size < len(data)
    _, copy = world.fetch(point)
    assert (world.incident / copy.name).read_bytes() == data


@needs_restic
def test_a_snapshot_that_was_forgotten_is_gone(world: World) -> None:
    made = world.made()
    made.pipe(DUMP, "shop.dump")
    (point,) = world.points()
    assert world.catalog.facts(point).bytes.state == "unread"
    (world.place / "snapshots" / str(point.version)).unlink()
    assert not world.open().facts(point).still_there
    with pytest.raises(StepFailed, match="not in the repository any more"):
        signals_of(world.open().fetch(point))
    other = point.model_copy(update={"id": "/other.dump"})
    assert world.catalog.facts(other).bytes.reason == "its snapshot holds no such dump"


@needs_restic
@pytest.mark.parametrize(
    ("data", "state", "words"),
    [(DUMP, "unread", "matches"), (DUMP[:-9], "damaged", "cut short"), (b"", "damaged", "empty")],
    ids=["whole", "cut", "empty"],
)
def test_quick_looks(world: World, data: bytes, state: str, words: str) -> None:
    made = world.made()
    world.put("a.dump", data, manifest=True)
    made.backup(world.folder)
    (point,) = world.points()
    facts = world.catalog.facts(point)
    assert facts.bytes.state == state
    assert words in facts.bytes.reason
    assert facts.hidden_by_delete_marker is None
    assert facts.lock.why_unknown


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("printf 12345678", "8 bytes of 12"),
        ("printf 123456789012; echo 'no more' >&2; exit 1", "no more"),
        ("printf 12345678; kill -9 $$", "ended from outside"),
    ],
    ids=["short and well", "whole and not well", "killed"],
)
def test_what_did_not_end_well_is_no_copy(
    world: World, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    """Not at the next attempt either: of the second one every byte had come."""
    fake(world, monkeypatch, LISTS + script)
    (point,) = world.points()
    for _ in range(2):
        with pytest.raises(StepFailed, match=words) as caught:
            world.fetch(point)
        assert caught.value.code == "download"
    assert not any(path.suffix == ".dump" for path in (world.incident / "copies").iterdir())


def test_more_than_was_listed_is_no_copy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(world, monkeypatch, LISTS + "printf 1234567890123")
    (point,) = world.points()
    with pytest.raises(StepFailed) as caught:
        world.fetch(point)
    assert caught.value.code == "changed"


@pytest.mark.parametrize(
    "script", ["printf 1234; exec sleep 60", "printf 123456789012; exec >&- 2>&-; sleep 60"]
)
def test_a_program_that_stops_giving_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(toolblob, "STALL", timedelta(seconds=1))
    fake(world, monkeypatch, LISTS + script)
    (point,) = world.points()
    begun = time.monotonic()
    with pytest.raises(StepFailed, match="said nothing for"):
        world.fetch(point)
    assert time.monotonic() - begun < 20


def test_what_it_says_meanwhile_is_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(world, monkeypatch, LISTS + f"echo 'I know {PASSWORD}' >&2; printf 123456789012")
    (point,) = world.points()
    _, signals = signals_of(world.catalog.fetch(point))
    said = [each.text for each in signals if isinstance(each, Output)]
    assert "restic: I know [secret]" in said


# --- elsewhere ----------------------------------------------------------------------------------


@needs_restic
def test_a_repository_in_a_bucket(world: World, s3_server: S3Server) -> None:
    bucket = s3_server.bucket("vault")
    place = f"s3:{s3_server.endpoint}/{bucket}/restic"
    keys = {"AWS_ACCESS_KEY_ID": "admin", "AWS_SECRET_ACCESS_KEY": "admin-secret"}
    made = Repository(place, keys)
    made.pipe(DUMP, "shop.dump")
    given = {"AWS_ACCESS_KEY_ID": "env:k", "AWS_SECRET_ACCESS_KEY": "env:s"}
    world.catalog = world.open(repository=place, environment=given)
    facts = world.catalog.survey("vault")
    assert facts.reachable
    assert facts.resource == bucket
    assert not facts.versioned.known
    (point,) = world.points()
    _, copy = world.fetch(point)
    assert (world.incident / copy.name).read_bytes() == DUMP
    nowhere = f"s3:{s3_server.endpoint}/{bucket}/elsewhere"
    unreachable(world, "there is no repository", repository=nowhere, environment=given)


@pytest.mark.parametrize(
    ("repository", "resource"),
    [
        ("s3:s3.amazonaws.com/shop-vault/x", "shop-vault"),
        ("s3://s3.amazonaws.com/shop-vault", "shop-vault"),
        ("s3:https://host:9000/shop-vault/", "shop-vault"),
        ("s3:host", None),
        ("sftp:user@host:/srv/restic", None),
    ],
)
def test_what_holds_a_repository(repository: str, resource: str | None) -> None:
    config = ResticSource(id="vault", repository=repository, password="env:PW")
    assert resticprogram.Restic(config, secret, CancelToken()).resource == resource
