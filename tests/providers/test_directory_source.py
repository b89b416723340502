"""Directories as sources: what counts as a copy, links and pipes, and fetching both shapes."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drbook.core.errors import CouldNotVerify, StepFailed, UsageError
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Working
from drbook.providers import dirsource
from drbook.providers.backups import BackupCatalog
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.sources.directory import DirectorySource

DUMP = b"PGDMP\x01\x10" + bytes(range(256)) * 5000


class World:
    def __init__(self, root: Path) -> None:
        self.root = root / "backups"
        self.root.mkdir()
        self.incident = root / "incident"
        self.incident.mkdir()
        self.fact = ByteFact(state="structure", reason="read to its end")
        config = DirectorySource(id="disk", path=str(self.root))
        self.catalog = BackupCatalog(
            [config], self.incident, CancelToken(), secrets=_none, check_structure=self._check
        )

    def _check(self, path: Path, cancel: Cancel) -> Working[ByteFact]:
        yield Output("checking")
        return self.fact

    def put(self, name: str, data: bytes = DUMP, *, manifest: bool = False) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if manifest:
            fields = {"name": name, "size": len(DUMP), "taken_at": "2026-01-02T03:04:05Z"}
            fields["sha256"] = hashlib.sha256(DUMP).hexdigest()
            path.with_name(path.name + ".manifest.json").write_text(json.dumps(fields))
        return path


def _none(reference: str) -> Secret:
    raise UsageError("a directory needs no secret")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.catalog.close()


def points(world: World, drain: Any) -> dict[str, RecoveryPoint]:
    return {point.id: point for point in drain(world.catalog.points("disk"))[0]}


def test_files_and_dump_folders_are_points(world: World, drain: Any) -> None:
    world.put("2026/a.dump")
    world.put("b.sql.zst")
    world.put("bare", manifest=True)
    world.put("folder/toc.dat")
    world.put("folder/3001.dat.gz", b"x")
    world.put(".partial/c.dump")
    world.put("readme.txt")
    (world.root / "link.dump").symlink_to(world.root / "b.sql.zst")
    os.mkfifo(world.root / "pipe.dump")
    found = points(world, drain)
    assert set(found) == {"2026/a.dump", "b.sql.zst", "bare", "folder"}
    assert found["folder"].size == len(DUMP) + 1
    assert found["bare"].taken_by == "manifest"
    assert found["2026/a.dump"].location == str(world.root / "2026/a.dump")


def test_newest_first_by_the_files_clock(world: World, drain: Any) -> None:
    base = datetime(2026, 3, 1, tzinfo=UTC)
    for days, name in enumerate(("x.dump", "m.dump", "a.dump")):
        path = world.put(name)
        moment = (base + timedelta(days=days)).timestamp()
        os.utime(path, (moment, moment))
    found = drain(world.catalog.points("disk"))[0]
    assert [point.id for point in found] == ["a.dump", "m.dump", "x.dump"]
    assert found[0].taken_by == "file"
    assert found[0].taken_at == base + timedelta(days=2)


@pytest.mark.parametrize("seconds", [2**40, -(2**40)])
def test_a_file_time_beyond_every_year_hides_no_copy(
    world: World, drain: Any, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """Some file systems keep such a time; where this one does not, it is put in its place."""
    world.put("a_2026-04-24T0300.dump")
    world.put("b.dump")
    real = os.lstat

    def told(path: Any, **how: Any) -> os.stat_result:
        found = real(path, **how)
        if not str(path).endswith(".dump"):
            return found
        return os.stat_result([*found[:7], seconds, seconds, seconds])

    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", told)
        patch.setattr(Path, "lstat", lambda path: told(path))
        found = points(world, drain)
    assert set(found) == {"a_2026-04-24T0300.dump", "b.dump"}
    assert found["b.dump"].taken_at.year == (9999 if seconds > 0 else 1)
    assert "last written" in found["b.dump"].taken_note


def test_a_manifest_with_a_time_that_cannot_be_hides_no_copy(world: World, drain: Any) -> None:
    path = world.put("a.dump", manifest=True)
    beside = path.with_name("a.dump.manifest.json")
    fields = json.loads(beside.read_text())
    beside.write_text(json.dumps({**fields, "taken_at": "0001-01-01T00:00:00+14:00"}))
    world.put("b.dump")
    found = points(world, drain)
    assert set(found) == {"a.dump", "b.dump"}
    assert "no time between the years 1 and 9999" in found["a.dump"].taken_note


def test_a_name_that_is_no_text_is_left_out_aloud(world: World, drain: Any) -> None:
    (world.root / os.fsdecode(b"bad\xff.dump")).write_bytes(DUMP)
    world.put("good.dump")
    found, signals = drain(world.catalog.points("disk"))
    assert [point.id for point in found] == ["good.dump"]
    assert any("left out" in each.text for each in signals if isinstance(each, Output))
    (left,) = world.catalog.left_out("disk")
    assert "its name is not UTF-8" in left


def test_a_name_at_the_limit_hides_no_other_copy(world: World, drain: Any) -> None:
    """With its manifest's ending the name is longer than the file system takes."""
    longest = "e" * 245 + ".dump"
    world.put(longest)
    world.put("y" * 255, b"no dump")
    world.put("good.dump", manifest=True)
    assert set(points(world, drain)) == {longest, "good.dump"}
    assert world.catalog.left_out("disk") == ()


@pytest.mark.parametrize("walks", [True, False], ids=["a folder", "a file"])
def test_what_may_not_be_read_hides_no_other_copy(
    world: World, drain: Any, monkeypatch: pytest.MonkeyPatch, walks: bool
) -> None:
    """It is said, for the newest copy may lie there. (The tests may run as root, who may read all.)"""
    shut = world.put("closed/a.dump") if not walks else world.put("closed/a.dump").parent
    world.put("good.dump")
    real: Callable[..., Any] = os.scandir if walks else os.stat

    def denied(path: Any = ".", *more: Any, **named: Any) -> Any:
        if str(path) == str(shut):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *more, **named)

    if walks:
        monkeypatch.setattr("os.scandir", denied)
    else:
        monkeypatch.setattr(dirsource, "taken", _denying(str(shut.name), dirsource.taken))
    found, signals = drain(world.catalog.points("disk"))
    assert [point.id for point in found] == ["good.dump"]
    assert list(world.catalog.left_out("disk")) == [f"{shut}: Permission denied"]
    assert any(f"left out: {shut}" in each.text for each in signals if isinstance(each, Output))
    monkeypatch.undo()
    assert len(points(world, drain)) == 2
    assert world.catalog.left_out("disk") == ()


def _denying(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def taken(what: str, *more: Any) -> Any:
        if what.endswith(name):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(what, *more)

    return taken


def test_where_the_file_system_keeps_its_pieces_is_not_looked_into(
    world: World, drain: Any
) -> None:
    world.put("lost+found/a.dump")
    world.put("good.dump")
    assert set(points(world, drain)) == {"good.dump"}


def test_a_missing_directory_is_unknown_and_not_empty(world: World, drain: Any) -> None:
    assert drain(world.catalog.points("disk"))[0] == []
    world.root.rmdir()
    facts = world.catalog.survey("disk")
    assert not facts.reachable
    assert facts.why_unreachable
    with pytest.raises(CouldNotVerify):
        drain(world.catalog.points("disk"))


def test_the_survey_claims_nothing_it_cannot_see(world: World) -> None:
    facts = world.catalog.survey("disk")
    assert facts.resource == str(world.root.resolve())
    assert not facts.account.known
    assert facts.versioned.value is False
    assert facts.lock_default.value is False
    assert not facts.expires_after_days.known


@pytest.mark.parametrize(
    ("data", "state"),
    [(DUMP, "unread"), (DUMP[:-1], "damaged"), (b"", "damaged"), (b"x" * len(DUMP), "damaged")],
    ids=["good", "short", "empty", "no dump"],
)
def test_quick_looks(data: bytes, state: str, world: World, drain: Any) -> None:
    world.put("a.dump", data, manifest=True)
    facts = world.catalog.facts(points(world, drain)["a.dump"])
    assert facts.bytes.state == state
    assert facts.hidden_by_delete_marker is False
    assert facts.lock.why_unknown == ""


def test_a_file_that_vanished(world: World, drain: Any) -> None:
    path = world.put("a.dump")
    point = points(world, drain)["a.dump"]
    path.unlink()
    assert world.catalog.facts(point).still_there is False
    with pytest.raises(StepFailed):
        drain(world.catalog.fetch(point))


@pytest.mark.parametrize("id", ["../incident/secret.dump", "link.dump", "pipe.dump", "/etc/passwd"])
def test_nothing_outside_is_read(id: str, world: World, drain: Any) -> None:
    (world.incident / "secret.dump").write_bytes(DUMP)
    (world.root / "link.dump").symlink_to(world.incident / "secret.dump")
    os.mkfifo(world.root / "pipe.dump")
    world.put("a.dump")
    point = points(world, drain)["a.dump"].model_copy(update={"id": id})
    with pytest.raises(StepFailed):
        drain(world.catalog.fetch(point))


def test_fetching_a_file(world: World, drain: Any) -> None:
    world.put("a.dump", manifest=True)
    (fact, copy), _ = drain(world.catalog.fetch(points(world, drain)["a.dump"]))
    assert (fact.state, copy.checked) == ("intact", "digest")
    path = world.incident / copy.name
    assert path.read_bytes() == DUMP
    assert path.stat().st_ino != (world.root / "a.dump").stat().st_ino


def test_fetching_a_damaged_file(world: World, drain: Any) -> None:
    world.put("a.dump", DUMP[:-1] + b"?", manifest=True)
    (fact, copy), _ = drain(world.catalog.fetch(points(world, drain)["a.dump"]))
    assert (fact.state, copy) == ("damaged", None)


def test_fetching_a_folder(world: World, drain: Any) -> None:
    world.put("folder/toc.dat")
    world.put("folder/3001.dat", b"rows")
    point = points(world, drain)["folder"]
    (fact, copy), _ = drain(world.catalog.fetch(point))
    assert (fact.state, copy.checked, copy.size) == ("structure", "structure", len(DUMP) + 4)
    path = world.incident / copy.name
    assert {each.name for each in path.iterdir()} == {"toc.dat", "3001.dat"}
    assert drain(world.catalog.fetch(point))[0] == (fact, copy)
    (path / "3001.dat").write_bytes(b"ROWS")
    assert drain(world.catalog.fetch(point))[0] == (fact, copy)
    assert (path / "3001.dat").read_bytes() == b"rows"
    world.fact = ByteFact(state="damaged", reason="a data file is missing")
    (path / "3001.dat").unlink()
    assert drain(world.catalog.fetch(point))[0] == (world.fact, None)
    assert not path.exists()


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def stopped_at(world: World, point: RecoveryPoint, word: str) -> None:
    """Fetch until a signal names this file, and break off there as a process does that is killed."""
    work = world.catalog.fetch(point)
    for signal in work:
        if word in getattr(signal, "label", ""):
            break
    work.close()


def test_nothing_of_an_older_folder_is_taken_for_the_newer_one_s(world: World, drain: Any) -> None:
    """pg_restore prefers `1.dat` to `1.dat.gz`, whichever of them the manifest is of."""
    for name in ("1.dat", "2.dat", "toc.dat"):
        world.put(f"folder/{name}", DUMP)
    stopped_at(world, points(world, drain)["folder"], "toc.dat")
    (left,) = (world.incident / "copies").iterdir()
    assert {"1.dat", "2.dat"} <= names_in(left)
    for name in ("1.dat", "2.dat"):
        (world.root / "folder" / name).unlink()
    world.put("folder/1.dat.gz", b"new")
    (_, copy), _ = drain(world.catalog.fetch(points(world, drain)["folder"]))
    assert world.incident / copy.name == left
    assert names_in(left) == {"1.dat.gz", "toc.dat"}


def test_what_came_of_a_folder_s_other_files_is_gone_on_with(world: World, drain: Any) -> None:
    world.put("folder/1.dat", b"first")
    world.put("folder/toc.dat", DUMP)
    point = points(world, drain)["folder"]
    stopped_at(world, point, "toc.dat")
    (left,) = (world.incident / "copies").iterdir()
    assert "toc.dat.part" in names_in(left)
    assert drain(world.catalog.fetch(point))[0][1].size == len(DUMP) + 5
    assert names_in(left) == {"1.dat", "toc.dat"}


def test_a_folder_that_changes_while_it_is_read_leaves_nothing(world: World, drain: Any) -> None:
    world.put("folder/1.dat", b"first")
    world.put("folder/toc.dat", DUMP)
    point = points(world, drain)["folder"]

    def run() -> None:
        for signal in world.catalog.fetch(point):
            if "1.dat" in getattr(signal, "label", ""):
                world.put("folder/toc.dat", DUMP + b"more")

    with pytest.raises(StepFailed) as caught:
        run()
    assert caught.value.code == "changed"
    assert list((world.incident / "copies").iterdir()) == []


def test_a_file_that_is_called_like_a_part_is_a_file(world: World, drain: Any) -> None:
    files = {"1.dat": b"one", "1.dat.part": b"two", "1.dat.part.json": b"3", "toc.dat": DUMP}
    for name, data in files.items():
        world.put(f"folder/{name}", data)
    for _ in range(2):
        (_, copy), _ = drain(world.catalog.fetch(points(world, drain)["folder"]))
        folder = world.incident / copy.name
        assert {each.name: each.read_bytes() for each in folder.iterdir()} == files
        (folder / "1.dat").write_bytes(b"spoiled")


def test_a_link_among_what_is_left_is_removed_and_not_followed(
    world: World, drain: Any, tmp_path: Path
) -> None:
    world.put("folder/toc.dat")
    point = points(world, drain)["folder"]
    (_, copy), _ = drain(world.catalog.fetch(point))
    others = tmp_path / "others"
    others.mkdir()
    (others / "kept").write_text("ours")
    (world.incident / copy.name / "1.dat").symlink_to(others)
    (world.incident / copy.name / "inner").mkdir()
    drain(world.catalog.fetch(point))
    assert names_in(world.incident / copy.name) == {"toc.dat"}
    assert (others / "kept").read_text() == "ours"


@pytest.mark.parametrize("shape", ["a.dump", "folder"])
def test_a_copy_of_what_stood_there_before_is_none_of_what_stands_there_now(
    shape: str, world: World, drain: Any
) -> None:
    name = shape if shape == "a.dump" else "folder/toc.dat"
    path = world.put(name)
    old = points(world, drain)[shape]
    (_, copy), _ = drain(world.catalog.fetch(old))
    written = path.stat().st_mtime_ns
    world.put(name, DUMP[:-1] + b"?")
    os.utime(path, ns=(written + 10**9, written + 10**9))
    # The copy of the older one is that one's still, and nobody else's.
    assert drain(world.catalog.fetch(old))[0][1] == copy
    (_, newer), _ = drain(world.catalog.fetch(points(world, drain)[shape]))
    assert newer.sha256 != copy.sha256
    # It has taken the older one's place, whose bytes are nowhere now.
    (fact, none), _ = drain(world.catalog.fetch(old))
    assert (fact.state, none) == ("unknown", None)
    assert "written again since it was found" in fact.reason


def test_what_is_said_of_a_copy_may_change_without_fetching_it_again(
    world: World, drain: Any
) -> None:
    """A domain that was amended, or a manifest that came later, makes no other bytes."""
    path = world.put("a.dump")
    point = points(world, drain)["a.dump"]
    first = drain(world.catalog.fetch(point))[0]
    path.unlink()
    told = {"taken_at": datetime(2026, 1, 1, tzinfo=UTC), "location": "elsewhere"}
    assert drain(world.catalog.fetch(point.model_copy(update=told)))[0] == first


def test_a_note_that_does_not_name_its_bytes_is_not_believed(world: World, drain: Any) -> None:
    """As versions before this one wrote it."""
    path = world.put("a.dump")
    point = points(world, drain)["a.dump"]
    (_, copy), _ = drain(world.catalog.fetch(point))
    note = world.incident / f"{copy.name}.checked.json"
    noted = json.loads(note.read_text())
    del noted["bytes"]
    note.write_text(json.dumps(noted))
    path.unlink()
    with pytest.raises(StepFailed):
        drain(world.catalog.fetch(point))
