"""Only what is its own is taken away, nothing is followed out of it, and what broke off can be gone on with."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.given import SERVERS, Given, given_server
from support.pg import drain

from drbook.core.leftovers import FolderSeen, prove_database, prove_folder
from drbook.core.targets import Target
from drbook.providers import scratch
from drbook.providers.cancel import CancelToken
from drbook.providers.pgserver import server_user, sockets_of
from drbook.providers.pgtools import PgTools
from drbook.providers.targets import removal
from drbook.providers.targets.alone import isolation_of
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.database import DatabaseMaker
from drbook.providers.targets.dropping import drop_database, look_at_database
from drbook.providers.targets.lease import mark
from drbook.providers.targets.pool import MARKER, ServerPool, marker_of

NAME, NONCE = "restore-7f3a-1", "0123456789abcdef" * 2


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A cluster's folder as far as a removal sees it."""
    home = tmp_path / NAME
    (home / "data" / "global").mkdir(parents=True)
    (home / "data" / "global" / "pg_control").write_bytes((7).to_bytes(8, "little") + b"more")
    (home / "server.log").write_text("log")
    (home / MARKER).write_text(marker_of(NAME, NONCE, "drill"))
    return home


def seen(home: Path) -> FolderSeen:
    return removal.look_at_folder(home, NAME, NONCE)


def test_a_marked_folder_is_seen_and_taken_away(target: Path) -> None:
    found = seen(target)
    assert (found.kind, found.marked, found.system_identifier) == ("folder", True, "7")
    assert prove_folder(found, None).may
    removal.remove_folder(target)
    assert not target.exists()
    assert seen(target).kind == "absent"


def test_nothing_is_followed_out_of_it(target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (target / "data" / "pg_tblspc").symlink_to(outside)
    (target / "aside").symlink_to(outside)
    removal.remove_folder(target)
    assert (outside / "kept").read_text() == "x"


def test_a_removal_that_broke_off_is_still_proven(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(removal.shutil, "rmtree", full)
        with pytest.raises(OSError, match="Input/output"):
            removal.remove_folder(target)
    assert prove_folder(seen(target), None).may
    removal.remove_folder(target)
    assert not target.exists()


@pytest.mark.parametrize(
    "damage",
    [
        "other mark",
        "no mark",
        "a live one's",
        "an older one's",
        "a link as mark",
        "a link",
        "a file",
    ],
)
def test_what_is_not_known_to_be_its_own(target: Path, tmp_path: Path, damage: str) -> None:
    mark = target / MARKER
    if damage == "other mark":
        mark.write_text(marker_of(NAME, "f" * 32, "drill"))
    elif damage == "no mark":
        mark.unlink()
    elif damage == "a live one's":
        mark.write_text(marker_of(NAME, NONCE, "live"))
    elif damage == "an older one's":
        mark.write_text(json.dumps({"target": NAME, "nonce": NONCE}))
    elif damage == "a link as mark":
        mark.rename(tmp_path / "mark")
        mark.symlink_to(tmp_path / "mark")
    else:
        target.rename(tmp_path / "moved")
        target.symlink_to(tmp_path / "moved") if damage == "a link" else target.write_text("x")
    assert not prove_folder(seen(target), None).may


def test_a_folder_that_was_made_and_not_marked_is_empty(tmp_path: Path) -> None:
    home = tmp_path / NAME
    home.mkdir()
    assert seen(home).kind == "empty"
    (home / MARKER).touch()
    assert seen(home).kind == "empty"
    removal.remove_folder(home)
    assert not home.exists()


def test_a_server_that_works_in_it_is_seen(target: Path) -> None:
    data = target / "data"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    assert seen(target).server is None  # another process has that number by now
    before = Path.cwd()
    os.chdir(data)
    try:
        assert seen(target).server == os.getpid()
    finally:
        os.chdir(before)


def test_a_sockets_folder() -> None:
    nonce = os.urandom(16).hex()
    assert removal.sockets_left(nonce) is None
    sockets_of(nonce).mkdir(mode=0o700)
    assert removal.sockets_left(nonce) == sockets_of(nonce)
    removal.remove_sockets(nonce)
    assert removal.sockets_left(nonce) is None


# --- temporary folders -------------------------------------------------------------------------


def test_a_temporary_folder_in_use_is_nobodys_leftover(tmp_path: Path) -> None:
    used = scratch.Scratch("list", str(tmp_path))
    assert list(scratch.left(tmp_path)) == []
    assert not scratch.remove(Path(used.name))
    dead = killed(tmp_path)
    (dead / "order").write_text("x")
    (dead / "more").mkdir()
    (tmp_path / "drbook-list-other").mkdir(mode=0o700)
    (tmp_path / f"{dead.name[:-8]}linkedto").symlink_to(dead)
    (found,) = scratch.left(tmp_path)
    assert (found.path, found.life) == (dead, scratch.this_life().token[: scratch.LETTERS])
    assert found.why_not == ""
    assert [scratch.remove(each.path) for each in scratch.left(tmp_path)] == [True]
    assert not dead.exists()
    used.cleanup()
    assert not Path(used.name).exists()
    used.cleanup()


def killed(base: Path) -> Path:
    """A temporary folder whose drbook is gone, and its lock with it."""
    made = scratch.Scratch("list", str(base))
    os.close(made._handle)
    made._handle = -1
    return Path(made.name)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("no mark", "no mark"),
        ("a copy's", "another folder"),
        ("a link", "cannot be read"),
        ("a pipe", "no private file"),
        ("open to others", "no private file"),
        ("torn", "cannot be read"),
        ("another life's", "another life"),
        ("another program's", "another program"),
    ],
)
def test_a_folder_that_drbook_did_not_make_is_not_proven_and_stays(
    tmp_path: Path, how: str, why: str
) -> None:
    folder = killed(tmp_path)
    mark = folder / scratch.MARK
    written = mark.read_text()
    if how == "no mark":
        mark.unlink()
    elif how == "a copy's":
        mark.write_text(json.dumps(json.loads(written) | {"inode": 1}))
    elif how == "a link":
        mark.rename(tmp_path / "mark")
        mark.symlink_to(tmp_path / "mark")
    elif how == "a pipe":
        mark.unlink()
        os.mkfifo(mark, 0o600)
    elif how == "open to others":
        mark.chmod(0o644)
    elif how == "torn":
        mark.write_text(written[:20])
    elif how == "another life's":
        mark.write_text(json.dumps(json.loads(written) | {"life": "0" * 32}))
    else:
        mark.write_text("[]")
    (found,) = scratch.left(tmp_path)
    assert why in found.why_not
    with pytest.raises(PermissionError, match=why):
        scratch.remove(folder)
    assert folder.is_dir()


def test_a_temporary_folder_s_mark_goes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = killed(tmp_path)
    (folder / "~later").mkdir()

    def full(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(scratch.shutil, "rmtree", full)
        with pytest.raises(OSError, match="Input/output"):
            scratch.remove(folder)
    assert scratch.remove(folder)


def test_what_goes_while_it_is_taken_away_keeps_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scratch.Scratch("list", str(tmp_path))
    for name in ("agent", "key"):
        (Path(made.name) / name).write_text("x")
    seen = os.listdir

    def late(place: int) -> list[str]:
        found = seen(place)
        with suppress(FileNotFoundError):
            os.unlink("agent", dir_fd=place)
        return found

    monkeypatch.setattr(scratch.os, "listdir", late)
    made.cleanup()
    assert not Path(made.name).exists()


def test_a_folder_that_cannot_be_marked_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scratch, "_mark", full)
    with pytest.raises(OSError, match="No space"):
        scratch.Scratch("list", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_others_may_write_to_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "drbook-list.01234567.abcdefgh"
    folder.mkdir()
    folder.chmod(0o777)
    assert list(scratch.left(tmp_path)) == []
    with pytest.raises(PermissionError):
        scratch.remove(folder)


# --- databases on a given server ---------------------------------------------------------------


@pytest.fixture(scope="module")
def given() -> Iterator[Given]:
    tools: PgTools = SERVERS[max(SERVERS)]
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as name:
        if server_user() == "nobody":
            Path(name).chmod(0o711)
        with given_server(tools, Path(name)) as made:
            made.run("CREATE ROLE restorer LOGIN CREATEDB")
            yield made


def made_on(given: Given, name: str, tmp_path: Path) -> Target:
    shop = Workshop(tmp_path, os.environ, CancelToken(), ServerPool(), lambda: (), mode="drill")
    return drain(DatabaseMaker(shop, given.ref()).create(name, NONCE, given.elsewhere()))


def test_a_database_goes_where_its_comment_says_so(given: Given, tmp_path: Path) -> None:
    target = made_on(given, "restore-7f3a-1", tmp_path)
    found = look_at_database(given.ref(), os.environ, target.name, NONCE)
    proof = prove_database(found, target.identity)
    assert proof.may
    assert "nonce" in proof.words
    assert drop_database(given.ref(), os.environ, target.name, NONCE, found) == ""
    assert look_at_database(given.ref(), os.environ, target.name, NONCE).kind == "absent"


def test_another_s_database_of_that_name_stays(given: Given, tmp_path: Path) -> None:
    target = made_on(given, "restore-7f3a-2", tmp_path)
    before = look_at_database(given.ref(), os.environ, target.name, NONCE)
    for mode, says in (("live", "in mode live"), ("", "does not say")):
        given.run(f"COMMENT ON DATABASE restore_7f3a_2 IS '{mark(NONCE, mode)}'")
        found = look_at_database(given.ref(), os.environ, target.name, NONCE)
        assert says in prove_database(found, target.identity).words
    given.run("COMMENT ON DATABASE restore_7f3a_2 IS 'ours now'")
    found = look_at_database(given.ref(), os.environ, target.name, NONCE)
    assert not prove_database(found, target.identity).may
    why = drop_database(given.ref(), os.environ, target.name, NONCE, before)
    assert why == "it is not what was seen a moment before"
    assert given.run("SELECT 1 FROM pg_database WHERE datname = 'restore_7f3a_2'")


def test_a_database_that_somebody_else_uses_stays_and_that_is_said(
    given: Given, tmp_path: Path
) -> None:
    target = made_on(given, "restore-7f3a-3", tmp_path)
    found = look_at_database(given.ref(), os.environ, target.name, NONCE)
    with given.connect(dbname="restore_7f3a_3"):
        why = drop_database(given.ref(), os.environ, target.name, NONCE, found)
    assert "being accessed by other users" in why
    assert drop_database(given.ref(), os.environ, target.name, NONCE, found) == ""


def test_a_server_that_does_not_answer_proves_nothing(tmp_path: Path) -> None:
    from drbook.core.targets import DatabaseRef

    nobody = DatabaseRef(host=str(tmp_path), user="x", ignore_environment=True)
    found = look_at_database(nobody, os.environ, "restore-7f3a-4", NONCE)
    assert found.kind == "unseen"
    assert not prove_database(found, None).may


def test_a_given_server_is_not_called_isolated(given: Given, tmp_path: Path) -> None:
    target = made_on(given, "restore-7f3a-5", tmp_path)
    found = isolation_of(target, os.environ, CancelToken())
    assert found.state == "open"
    assert not found.own_server
    said = {one.what: one for one in found.checks}
    assert said["max_wal_senders"].state == "open"
    assert said["primary_conninfo"].state == "unknown"  # told to administrators alone
    assert "somebody else's" in found.not_prevented[-1]


def test_what_reaches_outside_is_found_in_a_real_server(given: Given, tmp_path: Path) -> None:
    target = made_on(given, "restore-7f3a-6", tmp_path)
    with given.connect(dbname="restore_7f3a_6") as connection:
        for statement in (
            "CREATE EXTENSION postgres_fdw",
            "CREATE SERVER prod FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'prod')",
            "CREATE USER MAPPING FOR PUBLIC SERVER prod",
            "CREATE SUBSCRIPTION follow CONNECTION 'host=prod' PUBLICATION p"
            " WITH (connect = false, slot_name = NONE, create_slot = false, enabled = false)",
            "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE EVENT TRIGGER seen ON ddl_command_end EXECUTE FUNCTION seen()",
            "CREATE FUNCTION mine(text) RETURNS text LANGUAGE internal AS 'textin'",
        ):
            connection.execute(statement.encode())
        admin = target.model_copy(update={"connect": given.ref("postgres").model_copy(
            update={"dbname": "restore_7f3a_6"})})  # fmt: skip
        found = isolation_of(admin, os.environ, CancelToken())
    said = {one.what: one for one in found.checks}
    assert said["foreign servers"].state == "open"
    assert "prod" in said["foreign servers"].said
    assert said["subscriptions"].state == "isolated"  # it is disabled
    assert said["event triggers"].state == "open"
    assert said["processes"].state == "open"  # its launcher of logical replication
    assert "internal (1 function)" in found.not_prevented[0]
    assert "postgres_fdw" in found.not_prevented[1]
