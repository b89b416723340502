"""rclone as a source: the real program over folders, aliases, encrypted remotes and an S3 server."""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.pg import signals_of
from support.restic import snapshot_of
from support.s3 import S3Server

from drbook.core.errors import CouldNotVerify, StepFailed, UsageError
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import Cancel
from drbook.core.signals import Output, ProcessStarted, Working
from drbook.providers import download, tool
from drbook.providers.backups import BackupCatalog
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.rclonelist import Listing, place_in
from drbook.providers.rcloneprogram import explained
from drbook.providers.sources.rclone import RcloneSource

DUMP = b"PGDMP\x01\x10" + bytes(range(256)) * 1000
KEY = "marker of a secret key 51c9a37f"


def secret(reference: str) -> Secret:
    known = {"env:k": "admin", "env:s": "admin-secret"}
    if reference not in known:
        raise UsageError(f"The secret {reference} cannot be read: it is not set.", next="Set it.")
    return Secret(known[reference])


class World:
    """A folder of dumps, remotes that lead to it, and catalogues of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "nightly"
        self.folder.mkdir()
        self.incident = root / "incident"
        self.incident.mkdir()
        self.config = root / "rclone.conf"
        self.config.write_text(f"[shop]\ntype = alias\nremote = {self.folder}\nspare = {KEY}\n")
        self.cancel = CancelToken()
        self.catalog = self.open()

    def open(self, **more: object) -> BackupCatalog:
        fields: dict[str, object] = {"id": "cold", "remote": "shop:", "config": str(self.config)}
        config = RcloneSource.model_validate(fields | more)
        return BackupCatalog(
            [config], self.incident, self.cancel, secrets=secret, check_structure=self._check
        )

    def _check(self, path: Path, cancel: Cancel) -> Working[ByteFact]:
        yield Output("checking")
        return ByteFact(state="structure", reason="read to its end; content unproven")

    def points(self, catalog: BackupCatalog | None = None) -> list[RecoveryPoint]:
        return list(signals_of((catalog or self.catalog).points("cold"))[0])

    def fetch(self, point: RecoveryPoint, catalog: BackupCatalog | None = None) -> tuple[Any, Any]:
        return signals_of((catalog or self.catalog).fetch(point))[0]

    def put(self, name: str, data: bytes = DUMP) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    def rclone(self, *arguments: str) -> str:
        command = ["rclone", f"--config={self.config}", *arguments]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()

    def crypt(self, name: str, password: str, **options: str) -> None:
        hidden = self.rclone("obscure", password)
        lines = [f"[{name}]", "type = crypt", f"remote = {self.root / 'crypted'}"]
        lines += [f"password = {hidden}", *(f"{key} = {value}" for key, value in options.items())]
        with self.config.open("a") as stream:
            stream.write("\n".join(lines) + "\n")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "_FIRST_WAIT", timedelta(milliseconds=5))
    made = World(tmp_path)
    yield made
    made.catalog.close()


def unreachable(world: World, words: str, **more: object) -> None:
    catalog = world.open(**more)
    facts = catalog.survey("cold")
    assert not facts.reachable
    assert words in facts.why_unreachable
    with pytest.raises(CouldNotVerify) as caught:
        world.points(catalog)
    assert "not the same as none" in caught.value.means or "secret" in caught.value.what


def test_every_dump_with_its_manifest_and_nothing_is_written(world: World) -> None:
    said = {"drbook_manifest": 1, "name": "a.dump", "size": len(DUMP)}
    said |= {"sha256": hashlib.sha256(DUMP).hexdigest(), "taken_at": "2026-04-24T01:00:00Z"}
    world.put("shop-2026-04-24T0100Z.dump")
    world.put("odd name {x} :1.dump")
    world.put("readme.txt")
    world.put("dd/toc.dat")
    world.put("dd/1.dat", b"rows")
    world.put("a.dump.manifest.json", json.dumps(said).encode())
    world.put("a.dump")
    before = snapshot_of(world.root)
    found, signals = signals_of(world.catalog.points("cold"))
    by = {each.id: each for each in found}
    assert set(by) == {"shop-2026-04-24T0100Z.dump", "odd name {x} :1.dump", "dd", "a.dump"}
    assert by["shop-2026-04-24T0100Z.dump"].taken_by == "name"
    assert by["a.dump"].taken_by == "manifest"
    assert by["dd"].taken_by == "file"
    # rclone would hash these bytes now: that proves nothing of when they were stored.
    assert by["dd"].digest_by == by["odd name {x} :1.dump"].digest_by == "none"
    assert by["a.dump"].location == "shop:a.dump"
    assert world.catalog.survey("cold").resource == os.path.realpath(world.folder)
    assert world.fetch(by["a.dump"])[1].checked == "digest"
    _, more = signals_of(world.catalog.fetch(by["dd"]))
    assert world.fetch(by["odd name {x} :1.dump"])[1].size == len(DUMP)
    assert world.catalog.facts(by["a.dump"]).bytes.state == "unread"
    now = snapshot_of(world.root)
    assert {name: now[name] for name in before} == before
    assert not any("drbook-rclone" in name for name in now)
    started = [each.argv for each in more if isinstance(each, ProcessStarted)]
    assert all("--retries=1" in argv and "cat" in argv for argv in started)
    assert str(world.config) not in repr(started)
    assert KEY not in repr([*signals, *more])


def test_what_is_changed_between_list_and_read(world: World) -> None:
    for name in ("cut.dump", "gone.dump", "other.dump"):
        world.put(name)
    by = {each.id: each for each in world.points()}
    os.truncate(world.folder / "cut.dump", 1000)
    (world.folder / "gone.dump").unlink()
    world.put("other.dump", DUMP[::-1])
    for name in ("cut.dump", "other.dump"):
        fact, copy = world.fetch(by[name])
        assert (fact.state, copy) == ("unknown", None)
        assert "written again" in fact.reason
    assert world.catalog.facts(by["cut.dump"]).bytes.state == "damaged"
    assert not world.catalog.facts(by["gone.dump"]).still_there
    with pytest.raises(StepFailed, match="not there any more"):
        world.fetch(by["gone.dump"])


def test_what_cannot_be_reached_is_no_empty_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreachable(world, "there is no remote of this name", remote="nope:")
    unreachable(world, "there is no such place", remote="shop:nowhere")
    unreachable(world, "cannot be read", config=str(world.root / "no.conf"))
    unreachable(world, "it is not set", environment={"RCLONE_CONFIG_X_TYPE": "env:UNSET"})
    (world.root / "bin").mkdir()
    monkeypatch.setenv("PATH", str(world.root / "bin"))
    monkeypatch.setattr("sys.executable", str(world.root / "bin" / "python"))
    unreachable(world, "unavailable: rclone is not installed here; install rclone")


def pretend(world: World, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder = world.root / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "rclone").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "rclone").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


def test_a_program_that_hangs_or_is_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(world, monkeypatch, "echo nonsense")
    unreachable(world, "cannot be read")
    pretend(world, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(tool.Tool.ask, "__kwdefaults__", {"timeout": timedelta(seconds=1)})
    begun = time.monotonic()
    assert "did not end within" in world.catalog.survey("cold").why_unreachable
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("slow", [False, True])
def test_a_digest_of_the_place_is_one_from_when_it_was_stored(
    world: World, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    features = {"Root": "x", "Hashes": ["sha256"], "Features": {"SlowHash": slow}}
    digest = "ab" * 32
    entry = {"Path": "a.dump", "Size": 5, "ModTime": "2026-04-24T01:00:00.5Z", "IsDir": False}
    entry |= {"Hashes": {"sha256": digest}}
    script = f"""case "$*" in
*features*) echo '{json.dumps(features)}';;
*--hash*) printf '[\\n%s\\n]\\n' '{json.dumps(entry)}';;
*) printf '[\\n%s\\n]\\n' '{json.dumps({k: v for k, v in entry.items() if k != "Hashes"})}';;
esac"""
    pretend(world, monkeypatch, script)
    (point,) = world.points()
    assert (point.digest, point.digest_by) == ((None, "none") if slow else (digest, "store"))
    facts = world.catalog.survey("cold")
    assert facts.resource is None
    assert facts.versioned.why


# --- encrypted remotes --------------------------------------------------------------------------


def test_an_encrypted_remote_and_one_with_another_password(world: World) -> None:
    world.put("a.dump")
    world.put("sub/b.dump")
    world.crypt("right", "first password here")
    world.crypt("wrong", "second password here")
    world.rclone("copy", str(world.folder), "right:")
    catalog = world.open(remote="right:")
    by = {each.id: each for each in world.points(catalog)}
    assert set(by) == {"a.dump", "sub/b.dump"}
    assert world.fetch(by["sub/b.dump"], catalog)[1].size == len(DUMP)
    assert catalog.survey("cold").resource is None
    # rclone itself ends well here, with an empty list.
    other = world.open(remote="wrong:")
    with pytest.raises(CouldNotVerify, match="cannot be decrypted"):
        world.points(other)
    (world.root / "crypted" / "stranger").write_text("x")
    assert len(world.points(catalog)) == 2
    assert any("stranger" in each for each in catalog.left_out("cold"))


def test_names_in_clear_and_bytes_that_do_not_open(world: World) -> None:
    world.put("a.dump")
    world.put("b.dump")
    world.crypt("right", "first password here", filename_encryption="off")
    world.crypt("wrong", "second password here", filename_encryption="off")
    world.rclone("copy", str(world.folder), "right:")
    for name in ("right", "wrong"):
        catalog = world.open(remote=f"{name}:")
        by = {each.id: each for each in world.points(catalog)}
        path = world.root / "crypted" / "b.dump.bin"
        if name == "right":
            data = bytearray(path.read_bytes())
            data[150_000] ^= 0x10
            path.write_bytes(data)
            assert world.fetch(by["a.dump"], catalog)[1].size == len(DUMP)
            by = {each.id: each for each in world.points(catalog)}
        fact, copy = world.fetch(by["b.dump"], catalog)
        assert (fact.state, copy) == ("unknown", None)
        assert "password does not open it, or its bytes were changed" in fact.reason


# --- a bucket -----------------------------------------------------------------------------------


def test_a_bucket(world: World, s3_server: S3Server) -> None:
    bucket = s3_server.bucket("cold")
    client = s3_server.client()
    for name in ("nightly/a.dump", "nightly/b.dump"):
        client.put_object(Bucket=bucket, Key=name, Body=DUMP)
    world.config.write_text(
        f"[b]\ntype = s3\nprovider = Other\nendpoint = {s3_server.endpoint}\nenv_auth = false\n"
    )
    keys = {"RCLONE_CONFIG_B_ACCESS_KEY_ID": "env:k", "RCLONE_CONFIG_B_SECRET_ACCESS_KEY": "env:s"}
    catalog = world.open(remote=f"b:{bucket}/nightly", environment=keys)
    facts = catalog.survey("cold")
    assert facts.resource == bucket
    assert not facts.versioned.known
    by = {each.id: each for each in world.points(catalog)}
    assert set(by) == {"a.dump", "b.dump"}
    assert by["a.dump"].taken_by == "store"
    assert world.fetch(by["a.dump"], catalog)[1].size == len(DUMP)
    client.delete_object(Bucket=bucket, Key="nightly/b.dump")
    assert not catalog.facts(by["b.dump"]).still_there
    with pytest.raises(StepFailed, match="not there any more"):
        world.fetch(by["b.dump"], catalog)


# --- without the program ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "resource"),
    [
        ({"Root": "vault/nightly", "Features": {"BucketBased": True}}, "vault"),
        ({"Root": "vault", "Features": {"BucketBased": True, "Overlay": True}}, None),
        ({"Root": "/srv", "Features": {"IsLocal": True}}, "/srv"),
        ({"Root": "folder", "Features": {}}, None),
    ],
)
def test_what_holds_a_remote(features: Mapping[str, object], resource: str | None) -> None:
    assert place_in(json.dumps(features).encode()).resource == resource


ENTRY = {"Path": "a.dump", "Size": 5, "ModTime": "2026-04-24T01:00:00Z", "IsDir": False}


@pytest.mark.parametrize(
    "text",
    ["[\n", "nonsense", "[\n1\n]", json.dumps({**ENTRY, "Path": "/etc/x"}),
     json.dumps({**ENTRY, "Path": "../x"}), json.dumps({**ENTRY, "ModTime": 1})],
)  # fmt: skip
def test_a_list_that_is_none(text: str) -> None:
    listing = Listing()

    def read() -> None:
        listing.take(text.encode() + b"\n")
        listing.end()

    with pytest.raises(ValueError, match=r".+"):
        read()


def test_a_file_without_a_size_is_left_out_aloud() -> None:
    listing = Listing()
    listing.take(b"[\n" + json.dumps({**ENTRY, "Size": -1}).encode() + b"\n]\n")
    assert listing.end() == []
    assert "does not say its size" in listing.left[0]


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (1, '{"level": "critical", "msg": "unable to decrypt configuration"}', "encrypted"),
        (1, '{"level": "error", "msg": "AccessDenied", "object": "a"}', "a: AccessDenied"),
        (4, "", "not there any more"),
        (9, "", "exit code 9 and said nothing"),
        (1, "plain words\n[1]", "plain words"),
    ],
)
def test_what_it_complains_of(code: int, text: str, words: str) -> None:
    assert words in explained(code, text).why


@pytest.mark.parametrize(
    "more",
    [
        {"remote": "backups"},
        {"remote": ":s3,secret_access_key=abc:bucket"},
        {"remote": ":sftp,host=h,pass=abc:x"},
        {"remote": ":webdav,url='https://me:pw@host':x"},
        {"environment": {"RCLONE_CONFIG_DIR": "env:X"}},
        {"environment": {"RCLONE_RETRIES": "env:X"}},
        {"environment": {"PATH": "env:X"}},
    ],
)
def test_what_an_entry_may_not_say(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RcloneSource.model_validate({"id": "cold", "remote": "shop:"} | more)
    for good in ("shop:nightly", "/srv/backups", ":s3,provider=AWS,env_auth=true:bucket/x"):
        RcloneSource.model_validate({"id": "cold", "remote": good})
