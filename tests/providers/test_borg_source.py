"""Borg as a source: real repositories by the real program, damaged in every way, and programs that only
pretend to be Borg."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.borg import PASSPHRASE, Repository, needs_borg
from support.pg import signals_of
from support.restic import cut, flip, largest, snapshot_of

from drbook.core.errors import CouldNotVerify, StepFailed, UsageError
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import Cancel
from drbook.core.signals import Output, ProcessStarted, Working
from drbook.providers import borgprogram, download, tool
from drbook.providers.backups import BackupCatalog
from drbook.providers.borglist import Listing, repository_in
from drbook.providers.borgprogram import explained
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.sources.borg import BorgSource

DUMP = b"PGDMP\x01\x10" + bytes(range(256)) * 400


def secret(reference: str) -> Secret:
    known = {"env:PW": PASSPHRASE, "env:WRONG": "x" * 20}
    if reference not in known:
        raise UsageError(f"The secret {reference} cannot be read: it is not set.", next="Set it.")
    return Secret(known[reference])


class World:
    """A place for a repository, and catalogues of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incident = root / "incident"
        self.incident.mkdir()
        self.place = root / "repository"
        self.cancel = CancelToken()
        self.catalog = self.open()

    def open(self, **more: object) -> BackupCatalog:
        fields: dict[str, object] = {"id": "vault", "repository": str(self.place)}
        config = BorgSource.model_validate(fields | {"passphrase": "env:PW"} | more)
        return BackupCatalog(
            [config], self.incident, self.cancel, secrets=secret, check_structure=self._check
        )

    def _check(self, path: Path, cancel: Cancel) -> Working[ByteFact]:
        yield Output("checking")
        return ByteFact(state="structure", reason="read to its end; content unproven")

    def points(self, catalog: BackupCatalog | None = None) -> list[RecoveryPoint]:
        return list(signals_of((catalog or self.catalog).points("vault"))[0])

    def fetch(self, point: RecoveryPoint, catalog: BackupCatalog | None = None) -> tuple[Any, Any]:
        return signals_of((catalog or self.catalog).fetch(point))[0]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "_FIRST_WAIT", timedelta(milliseconds=5))
    made = World(tmp_path)
    yield made
    made.catalog.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two archives: of a folder with every form, and of what was piped. Making them takes seconds."""
    root = tmp_path_factory.mktemp("kept")
    folder = root / "nightly"
    (folder / "dd").mkdir(parents=True)
    (folder / "a.dump").write_bytes(DUMP)
    (folder / "dd/toc.dat").write_bytes(DUMP)
    (folder / "dd/1.dat").write_bytes(b"rows")
    (folder / "readme.txt").write_text("no dump")
    said = {"drbook_manifest": 1, "name": "a.dump", "size": len(DUMP)}
    said |= {"sha256": hashlib.sha256(DUMP).hexdigest()}
    said |= {"taken_at": (datetime.now(UTC) - timedelta(minutes=4)).isoformat()}
    (folder / "a.dump.manifest.json").write_text(json.dumps(said))
    os.link(folder / "readme.txt", folder / "again.dump")
    made = Repository(root / "repository")
    made.backup("nightly {now}".replace("{", "{{").replace("}", "}}"), folder)
    made.pipe("piped", DUMP[:7] + os.urandom(300_000))
    return root


@pytest.fixture
def copied(world: World, kept: Path) -> World:
    shutil.copytree(kept / "repository", world.place)
    return world


def segments(world: World) -> set[Path]:
    return {path for path in (world.place / "data").rglob("*") if path.is_file()}


# --- what is listed -----------------------------------------------------------------------------


@needs_borg
def test_every_dump_of_every_archive_and_nothing_is_written(copied: World) -> None:
    """Also below a lock that somebody holds, and beside a segment that was never committed."""
    (copied.place / "lock.exclusive").mkdir()
    (copied.place / "lock.exclusive" / "db@1.2-3").touch()
    unfinished = copied.place / "data/0/999"
    unfinished.write_bytes(b"BORG_SEG" + b"x" * 100)
    before, folders = snapshot_of(copied.place), set(copied.root.iterdir())
    found, signals = signals_of(copied.catalog.points("vault"))
    by = {each.id: each for each in found}
    assert set(by) - {"nightly/again.dump"} == {"nightly/a.dump", "nightly/dd", "shop.dump"}
    assert by["shop.dump"].taken_by == "tool"
    assert by["nightly/dd"].taken_by == "file"
    assert by["nightly/dd"].size == len(DUMP) + 4
    assert by["nightly/a.dump"].digest_by == "manifest"
    assert "archive nightly {now}: nightly/a.dump" in by["nightly/a.dump"].location
    assert all(each.encrypted is True and len(each.version or "") == 64 for each in found)
    assert any("hard link" in each for each in copied.catalog.left_out("vault"))
    copy = copied.fetch(by["nightly/a.dump"])[1]
    assert copy.checked == "digest"
    assert copied.fetch(by["nightly/dd"])[1].size == len(DUMP) + 4
    assert snapshot_of(copied.place) == before
    assert set(copied.root.iterdir()) == folders
    assert PASSPHRASE not in repr(signals)


@needs_borg
def test_the_survey_and_only_the_archives_that_are_meant(copied: World) -> None:
    facts = copied.catalog.survey("vault")
    assert facts.resource == os.path.realpath(copied.place)
    assert facts.versioned.value is False
    assert not facts.account.known
    found = copied.points(copied.open(archives="pip*", files="*.dump"))
    assert [each.id for each in found] == ["shop.dump"]
    _, signals = signals_of(copied.catalog.fetch(found[0]))
    (started,) = (each for each in signals if isinstance(each, ProcessStarted))
    assert {"--bypass-lock", "extract", "--stdout", "::piped"} <= set(started.argv)


# --- what cannot be reached ---------------------------------------------------------------------


def unreachable(world: World, words: str, **more: object) -> None:
    catalog = world.open(**more)
    facts = catalog.survey("vault")
    assert not facts.reachable
    assert words in facts.why_unreachable
    assert PASSPHRASE not in facts.why_unreachable
    with pytest.raises(CouldNotVerify) as caught:
        world.points(catalog)
    assert "not the same as none" in caught.value.means or "secret" in caught.value.what


@needs_borg
def test_passphrases_places_and_what_is_left_of_a_repository(copied: World) -> None:
    unreachable(copied, "does not open with this passphrase", passphrase="env:WRONG")
    unreachable(copied, "has a passphrase, and none is given", passphrase=None)
    unreachable(copied, "it is not set", passphrase="env:UNSET")
    unreachable(copied, "there is no repository", repository=str(copied.root / "nowhere"))
    (copied.place / "data").rename(copied.root / "data")
    unreachable(copied, "its folder of segments is gone")
    with pytest.raises(CouldNotVerify, match="segments is gone"):
        copied.points()


@needs_borg
def test_a_key_that_is_not_in_the_repository(world: World) -> None:
    made = Repository(world.place, mode="keyfile")
    made.pipe("one", DUMP)
    unreachable(world, "the key that the repository was made with is not here")
    catalog = world.open(keyfile=str(made.key()))
    (point,) = world.points(catalog)
    assert world.fetch(point, catalog)[1].size == len(DUMP)


@needs_borg
def test_a_repository_that_is_not_encrypted_is_taken_only_where_no_passphrase_is_given(
    world: World,
) -> None:
    """Otherwise somebody could put one of his own into the place of the encrypted one."""
    Repository(world.place, mode="none").pipe("one", DUMP)
    (point,) = world.points(world.open(passphrase=None))
    assert point.encrypted is False
    unreachable(world, "is not encrypted, although a passphrase is given")


def pretend(world: World, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder = world.root / "bin"
    folder.mkdir()
    (folder / "borg").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "borg").chmod(0o755)
    (world.place / "data").mkdir(parents=True)
    (world.place / "config").touch()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


def test_a_program_that_is_missing_hangs_or_is_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(world, monkeypatch, "echo nonsense")
    unreachable(world, "cannot be read")
    (world.root / "bin/borg").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(tool.Tool.ask, "__kwdefaults__", {"timeout": timedelta(seconds=1)})
    begun = time.monotonic()
    assert "did not end within" in world.catalog.survey("vault").why_unreachable
    assert time.monotonic() - begun < 20
    (world.root / "bin/borg").unlink()
    monkeypatch.setenv("PATH", str(world.root / "bin"))
    unreachable(world, "unavailable: borg is not installed here; install borgbackup")


# --- damage -------------------------------------------------------------------------------------


def remove(path: Path) -> None:
    path.unlink()


@needs_borg
@pytest.mark.parametrize(
    ("harm", "words"),
    [(cut, "Data integrity error"), (flip, "checksum mismatch"), (remove, "No such file")],
)
def test_a_damaged_segment_is_damage_and_hides_no_other_copy(
    copied: World, harm: Callable[[Path], None], words: str
) -> None:
    by = {each.id: each for each in copied.points()}
    harm(largest(segments(copied)))
    before = snapshot_of(copied.place)
    fact, copy = copied.fetch(by["shop.dump"])
    assert (fact.state, copy) == ("damaged", None)
    assert words in fact.reason
    assert copied.fetch(by["nightly/a.dump"])[1].checked == "digest"
    again = copied.open()
    listed = {each.id for each in copied.points(again)}
    if harm is flip:  # what describes the archive lies behind the bytes that were changed
        assert "shop.dump" in listed
    else:
        assert "shop.dump" not in listed
        assert any("archive piped" in each for each in again.left_out("vault"))
    assert snapshot_of(copied.place) == before


@needs_borg
@pytest.mark.parametrize("harm", [cut, flip, remove])
def test_a_damaged_index_is_made_anew_elsewhere(
    copied: World, harm: Callable[[Path], None]
) -> None:
    """Borg itself would write it, and a commit, into the repository."""
    (index,) = copied.place.glob("index.*")
    harm(index)
    before = snapshot_of(copied.place)
    by = {each.id: each for each in copied.points()}
    assert copied.fetch(by["nightly/a.dump"])[1].checked == "digest"
    assert snapshot_of(copied.place) == before


@needs_borg
def test_zeros_in_the_place_of_lost_pieces_are_damage(world: World) -> None:
    """What `borg check --repair` leaves is given out with a warning, which is exit code 1."""
    made = Repository(world.place)
    made.pipe("one", DUMP[:7] + os.urandom(300_000))
    before = made.segments()
    flip(largest(before))
    made.run("check", "--repair")
    catalog = world.open()
    (point,) = world.points(catalog)
    assert catalog.facts(point).bytes.state == "damaged"
    fact, copy = world.fetch(point, catalog)
    assert (fact.state, copy) == ("damaged", None)
    assert "all-zero" in fact.reason


@needs_borg
def test_an_archive_that_was_deleted_or_has_another_ones_name(copied: World) -> None:
    by = {each.id: each for each in copied.points()}
    made = Repository(copied.place, fresh=False)
    made.run("delete", "::piped")
    made.pipe("piped", DUMP[:7] + os.urandom(300_000))
    with pytest.raises(StepFailed) as caught:
        copied.fetch(by["shop.dump"])
    assert caught.value.code == "changed"
    assert not copied.open().facts(by["shop.dump"]).still_there


# --- without the program ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "records", "state", "words"),
    [
        (2, [{"msgid": "Repository.DoesNotExist", "message": "no"}], None, "there is no repository"),
        (2, [{"msgid": "Archive.DoesNotExist", "message": "no"}], "unknown", "not in the repository"),
        (2, [{"msgid": "Repository.ObjectNotFound", "message": "no"}], "unknown", "index"),
        (2, [{"msgid": "RepoKeyNotFoundError", "message": "no"}], None, "key is gone"),
        (1, [{"message": "nightly/a: File has damaged (all-zero) chunks."}], "damaged", "whole"),
        (1, [{"message": "file changed"}], "unknown", "with a warning"),
        (2, [{"message": "Connection closed by remote host"}], None, "Connection closed"),
        (2, [], None, "exit code 2 and said nothing"),
    ],
)  # fmt: skip
def test_what_it_complains_of(
    code: int, records: list[dict[str, str]], state: str | None, words: str
) -> None:
    lines = [json.dumps({"levelname": "ERROR", "type": "log_message"} | one) for one in records]
    found = explained(code, "\n".join(lines), given=True)
    assert words in found.why
    assert (found.fact.state if found.fact is not None else None) == state


def test_words_that_are_no_json_are_said_as_they_stand() -> None:
    assert borgprogram.said("ssh: no route to host\n[1]") == "ssh: no route to host"


ITEM = {"type": "-", "mode": "-rw", "path": "a.dump", "size": 5, "mtime": "2026-04-24T01:00:00.5"}


@pytest.mark.parametrize(
    "text", ['{"type": "-"}', "[]", "{", json.dumps(ITEM | {"path": "/etc/x"}),
             json.dumps(ITEM | {"path": "a/../x"}), json.dumps(ITEM | {"mtime": "now"})]
)  # fmt: skip
def test_a_list_that_is_none(text: str) -> None:
    listing = Listing()
    with pytest.raises(ValueError, match=r".+"):
        listing.take(text.encode() + b"\n")


def test_a_list_in_any_order_and_its_times_in_utc() -> None:
    listing = Listing("/srv/*")
    for path in ("srv/b.dump", "x/srv/c.txt", "srv/a.bak", "other/a.dump"):
        listing.take(json.dumps(ITEM | {"path": path}).encode() + b"\n")
    found = listing.end()
    assert [each.path for each in found] == ["srv/a.bak", "srv/b.dump", "x/srv/c.txt"]
    assert found[0].written == datetime(2026, 4, 24, 1, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "{}", '{"archives": [{"id": "x", "start": "", "name": ""}]}'])
def test_a_list_of_archives_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        repository_in(text.encode())


@pytest.mark.parametrize(
    "more",
    [
        {"repository": "backups"},
        {"repository": "/srv/borg::nightly"},
        {"repository": "ssh://me:secret@host/srv"},
        {"environment": {"BORG_PASSPHRASE": "env:X"}},
        {"environment": {"BORG_BASE_DIR": "env:X"}},
        {"environment": {"A B": "env:X"}},
    ],
)
def test_what_an_entry_may_not_say(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BorgSource.model_validate({"id": "vault", "repository": "/srv/borg"} | more)
    good = {"BORG_RSH": "env:X", "SSH_AUTH_SOCK": "env:Y"}
    config = BorgSource.model_validate(
        {"id": "vault", "repository": "ssh://me@host/srv", "environment": good}
    )
    assert not config.local
