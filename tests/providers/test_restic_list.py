"""What restic's lists say, and what its complaints mean: without the program."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drbook.app.vocabulary import vocabulary
from drbook.core.baseline import Manifest
from drbook.core.errors import RunbookInvalid
from drbook.language.load import load
from drbook.providers import dumptree
from drbook.providers.dumptree import Dump, Entry, Snapshot, moment
from drbook.providers.kinds import SOURCES
from drbook.providers.naming import Taken
from drbook.providers.resticlist import Listing, snapshots_in
from drbook.providers.resticprogram import ResticComplaints, explained, said
from drbook.providers.sources.restic import ResticSource
from drbook.providers.tool import Failed

BEGAN = datetime(2026, 4, 24, 3, 0, tzinfo=UTC)
ID = "ab" * 32


def snapshot(*paths: str) -> Snapshot:
    return Snapshot(ID, BEGAN, "tree", paths)


def listed(*paths: str, targets: tuple[str, ...] = (), wanted: str | None = None) -> Listing:
    """A path that ends in / is a folder; all of it in pieces of a few bytes."""
    nodes: list[dict[str, Any]] = [{"struct_type": "snapshot", "id": ID}]
    for path in paths:
        kind = "dir" if path.endswith("/") else "file"
        nodes.append(
            {
                "struct_type": "node",
                "type": kind,
                "path": path.rstrip("/"),
                "size": 5,
                "mtime": "2026-04-24T01:00:00.123456789+02:00",
            }
        )
    text = "".join(json.dumps(node) + "\n" for node in nodes).encode()
    listing = Listing(targets, wanted)
    for at in range(0, len(text), 7):
        listing.take(text[at : at + 7])
    listing.end()
    return listing


def paths(listing: Listing) -> list[str]:
    return [dump.path for dump in listing.dumps]


def test_the_names_that_a_directory_source_takes() -> None:
    found = listed(
        "/srv/", "/srv/.half/", "/srv/.half/c.dump", "/srv/a.dump", "/srv/a.dump.manifest.json",
        "/srv/b.sql.zst", "/srv/bare", "/srv/bare.manifest.json", "/srv/lost+found/",
        "/srv/lost+found/x.dump", "/srv/readme.txt",
    )  # fmt: skip
    assert found.seen
    assert paths(found) == ["/srv/a.dump", "/srv/b.sql.zst", "/srv/bare"]
    beside = {dump.path: dump.manifest.path for dump in found.dumps if dump.manifest}
    assert beside == {
        "/srv/a.dump": "/srv/a.dump.manifest.json",
        "/srv/bare": "/srv/bare.manifest.json",
    }
    assert found.dumps[0].written == datetime(2026, 4, 23, 23, 0, 0, 123456, tzinfo=UTC)


def test_a_folder_with_a_table_of_contents_is_one_dump() -> None:
    found = listed(
        "/srv/", "/srv/dd/", "/srv/dd/1.dat", "/srv/dd/inner/", "/srv/dd/inner/x.dump",
        "/srv/dd/toc.dat", "/srv/dd.manifest.json", "/srv/e/", "/srv/e/y.dump",
    )  # fmt: skip
    assert paths(found) == ["/srv/e/y.dump", "/srv/dd"]
    dump = found.dumps[1]
    assert dump.folder
    assert [each.path for each in dump.files] == ["/srv/dd/1.dat", "/srv/dd/toc.dat"]
    assert dump.manifest is not None
    assert dump.manifest.path == "/srv/dd.manifest.json"
    assert dump.size == 10


def test_a_directory_dump_that_was_backed_up_from_inside_is_one_too() -> None:
    (dump,) = listed("/1.dat", "/toc.dat").dumps
    assert (dump.path, dump.folder, dump.manifest) == ("/", True, None)


def test_a_dotted_folder_that_was_asked_for_is_looked_into() -> None:
    names = ("/srv/", "/srv/.backups/", "/srv/.backups/.new/", "/srv/.backups/.new/b.dump",
             "/srv/.backups/a.dump")  # fmt: skip
    assert paths(listed(*names)) == []
    assert paths(listed(*names, targets=("/srv/.backups",))) == ["/srv/.backups/a.dump"]
    assert paths(listed("/.b/", "/.b/a.dump", targets=("/home/x/.b",))) == ["/.b/a.dump"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("*.bak", ["/srv/x.bak"]),
        ("/srv/n/*", ["/srv/n/a.dump", "/srv/n/other"]),
        ("dd", ["/srv/dd"]),
    ],
)
def test_a_pattern_says_what_dumps_are_called(wanted: str, found: list[str]) -> None:
    names = ("/srv/", "/srv/dd/", "/srv/dd/toc.dat", "/srv/n/", "/srv/n/a.dump", "/srv/n/other",
             "/srv/x.bak")  # fmt: skip
    assert paths(listed(*names, wanted=wanted)) == found


def test_a_name_that_is_no_text_is_left_out_aloud() -> None:
    found = listed("/bad\ufffd.dump", "/good.dump")
    assert paths(found) == ["/good.dump"]
    assert found.left == ["/bad\ufffd.dump: its name is not UTF-8"]


def test_nothing_listed_is_not_an_empty_snapshot() -> None:
    """restic 0.14 ends well for a snapshot that is not there."""
    listing = Listing()
    listing.take(b"\n")
    assert listing.end() == []
    assert not listing.seen


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b'{"struct_type": "node"}',
        b'{"struct_type": "node", "type": "file", "path": "/a", "mtime": "soon"}',
        b'{"struct_type": "node", "type": "file", "path": "a", "mtime": "2026-01-01T00:00:00Z"}',
        b'{"struct_type": "node", "type": "file", "pa',
    ],
)
def test_what_restic_does_not_print_is_no_list(line: bytes) -> None:
    listing = Listing()

    def read() -> None:
        listing.take(line)
        listing.end()

    with pytest.raises(ValueError, match=r"."):
        read()


def test_snapshots_newest_first() -> None:
    one = {"id": ID, "time": "2026-04-24T03:00:00.5Z", "tree": "t", "paths": ["/a"]}
    other = {**one, "id": "cd" * 32, "time": "2026-04-25T03:00:00+14:00", "paths": None}
    found = snapshots_in(json.dumps([one, other]).encode())
    assert [each.short for each in found] == ["cdcdcdcd", "abababab"]
    assert snapshots_in(b"") == snapshots_in(b"null") == []
    assert moment("0001-01-01T00:00:00+14:00").year == 1


@pytest.mark.parametrize(
    "change",
    [{"id": "--password-command=x"}, {"id": 5}, {"time": "soon"}, {"tree": None, "id": "x"}],
)
def test_a_list_of_other_things_is_none(change: dict[str, object]) -> None:
    one = {"id": ID, "time": "2026-04-24T03:00:00Z", "tree": "t", **change}
    with pytest.raises(ValueError, match=r"."):
        snapshots_in(json.dumps([one]).encode())
    with pytest.raises(ValueError, match="lacks"):
        snapshots_in(b'[{"id": "' + ID.encode() + b'"}]')


# --- when ---------------------------------------------------------------------------------------


def when(dump: Dump, snapshot: Snapshot, manifest: Manifest | None) -> Taken:
    piped = dump.written == snapshot.time and snapshot.paths == (dump.path,)
    return dumptree.when(dump, snapshot, manifest, piped=piped, kept="snapshot", tool="restic")


def dump(path: str, written: datetime) -> Dump:
    return Dump(path, (Entry(path, 5, written),), folder=False)


def test_what_was_piped_in_is_dated_by_the_snapshots_start() -> None:
    found = when(dump("/shop.dump", BEGAN), snapshot("/shop.dump"), None)
    assert (found.at, found.by) == (BEGAN, "tool")
    assert "its snapshot began" in found.note
    named = when(dump("/shop-20260101.dump", BEGAN), snapshot("/shop-20260101.dump"), None)
    assert (named.at, named.by) == (BEGAN, "tool")
    assert "its name says 2026-01-01" in named.note


def test_a_file_is_not_as_young_as_the_snapshot_that_holds_it() -> None:
    """A folder that keeps a week of dumps is in every snapshot of that week."""
    written = BEGAN - timedelta(days=6)
    found = when(dump("/srv/shop.dump", written), snapshot("/srv"), None)
    assert (found.at, found.by) == (written, "file")
    assert "its snapshot began 2026-04-24" in found.note
    named = when(dump("/srv/shop-2026-04-18T0200Z.dump", written), snapshot("/srv"), None)
    assert (named.at, named.by) == (datetime(2026, 4, 18, 2, tzinfo=UTC), "name")


def test_a_file_that_was_being_written_is_said_to_be() -> None:
    found = when(dump("/srv/shop.dump", BEGAN + timedelta(seconds=9)), snapshot("/srv"), None)
    assert "it may be cut" in found.note


def test_a_manifest_says_it_best() -> None:
    manifest = Manifest(
        drbook_manifest=1, name="shop.dump", size=5, sha256="0" * 64,
        taken_at=BEGAN - timedelta(hours=2),
    )  # fmt: skip
    found = when(dump("/srv/shop.dump", BEGAN - timedelta(hours=1)), snapshot("/srv"), manifest)
    assert (found.at, found.by) == (BEGAN - timedelta(hours=2), "manifest")


# --- words --------------------------------------------------------------------------------------

PACK = "<data/c75f6ddba6>"
RETRY = f"Load({PACK}, 1069135, 0) returned error, retrying after 552.330144ms: unexpected EOF\n"
WORDS = {
    "password": ("Fatal: wrong password or no key found\n", "no key of the repository", None),
    "no repository": (
        "Fatal: unable to open config file: stat x/config: no such file or directory\n"
        "Is there a repository at the following location?\nx\n",
        "there is no repository",
        None,
    ),
    "no object": (
        "Fatal: unable to open config file: Stat: The specified key does not exist.\n",
        "there is no repository",
        None,
    ),
    "no way": (
        'Fatal: unable to open config file: Stat: Get "http://x": connection refused\n',
        "connection refused",
        None,
    ),
    "locked": (
        "unable to create lock in backend: repository is already locked exclusively by PID 1\n",
        "the repository is locked",
        None,
    ),
    "cut": (f"cannot dump file: ReadFull({PACK}): unexpected EOF\n", "restic cannot", "damaged"),
    "gone": (
        f"cannot dump file: ReadFull({PACK}): open x: no such file or directory\n",
        "restic cannot read it",
        "damaged",
    ),
    "flipped": (
        "cannot dump file: decrypting blob 69d failed: ciphertext verification failed\n",
        "ciphertext verification failed",
        "damaged",
    ),
    "no index": (
        "id 59ac not found in repository\ngithub.com/restic/restic/internal/x\n\tcmd/x.go:256\n",
        "index does not lead to it: id 59ac",
        "unknown",
    ),
    "cut index": ("Fatal: load <index/13eadd42d1>: invalid data returned\n", "index", "unknown"),
    "as JSON": (
        '{"message_type":"exit_error","code":1,"message":"Fatal: the disk is on fire"}\n',
        "the disk is on fire",
        None,
    ),
    "cut before it": (f"Load({PACK}, 932223, 1067958) failed: EOF\n", "restic cannot", "damaged"),
    "retries alone": (RETRY, f"Load({PACK}, 1069135, 0) failed: unexpected EOF", "damaged"),
    "retries, then a reason": (RETRY + "Fatal: out of luck\n", "out of luck", None),
    "nothing": ("", "ended with exit code 1 and said nothing", None),
}


@pytest.mark.parametrize("case", WORDS)
def test_what_restic_means(case: str) -> None:
    text, why, state = WORDS[case]
    found = explained(1, text, local=True)
    assert why in found.why
    assert "internal" not in found.why
    assert (found.fact.state if found.fact else None) == state


def test_a_network_that_ends_early_is_no_damage() -> None:
    fact = explained(1, WORDS["cut"][0], local=False).fact
    assert fact is not None
    assert fact.state == "unknown"
    gone = explained(1, f"ReadFull({PACK}): The specified key does not exist.", local=False).fact
    assert gone is not None
    assert gone.state == "damaged"


@pytest.mark.parametrize(
    ("code", "why"), [(10, "there is no repository"), (11, "locked"), (12, "no key")]
)
def test_later_versions_say_it_by_their_exit_code(code: int, why: str) -> None:
    assert why in explained(code, "Fatal: x\n", local=True).why


def test_a_disk_is_not_asked_ten_times_and_a_network_is() -> None:
    far = ResticComplaints("restic", local=False)
    near = ResticComplaints("restic", local=True)
    for _ in range(10):
        far.take(RETRY.strip())
    near.take(RETRY.strip())
    near.take(RETRY.strip())
    with pytest.raises(Failed) as caught:
        near.take(RETRY.strip())
    assert caught.value.fact is not None
    assert far.take("\tgithub.com/x.go:5") is None
    assert far.take("") is None
    assert said("[1]\n") == "[1]"


# --- configuration ------------------------------------------------------------------------------

GOOD = {"id": "vault", "repository": "/srv/restic", "password": "env:RESTIC_PW"}


@pytest.mark.parametrize(
    "change",
    [
        {"repository": "srv/restic"},
        {"repository": "ftp:x"},
        {"repository": "rest:https://user:hunter2@host/x"},
        {"repository": "s3:http://user:hunter2@host/x"},
        {"repository": "sftp://user:hunter2@host//x"},
        {"repository": "/srv/\nrestic"},
        {"password": "hunter2"},
        {"environment": {"RESTIC_PASSWORD_COMMAND": "env:X"}},
        {"environment": {"RESTIC_REPOSITORY": "env:X"}},
        {"environment": {"LD_PRELOAD": "env:X"}},
        {"environment": {"PATH": "env:X"}},
        {"environment": {"A B": "env:X"}},
        {"environment": {"AWS_SECRET_ACCESS_KEY": "hunter2"}},
        {"tags": ["a,b"]},
        {"tags": [""]},
        {"path": "srv"},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_meant_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ResticSource.model_validate(GOOD | change)


@pytest.mark.parametrize(
    "repository",
    ["/srv/restic", "~/restic", "s3:s3.amazonaws.com/bucket/x", "sftp:user@host:/srv/restic",
     "sftp://user@host:2222//srv/restic", "rest:https://host:8000/x", "b2:bucket:path"],
)  # fmt: skip
def test_places_as_restic_spells_them(repository: str) -> None:
    more = {"repository": repository, "environment": {"RESTIC_REST_USERNAME": "env:X"}}
    assert ResticSource.model_validate(GOOD | more).repository == repository


RUNBOOK = """drbook: 1
title: Gone
BACKUPSsteps:
  - {id: a, phase: detect, title: A, why: B, do: note, with: {text: c}}
"""


def test_what_the_readme_writes_is_read() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```text\n(backups:\n.*?)^```", readme, re.DOTALL | re.MULTILINE)
    found = {}
    for block in blocks:
        loaded = load(RUNBOOK.replace("BACKUPS", block).encode(), "r.yaml", vocabulary())
        found |= {type(one): one for one in loaded.sources}
    shown = {kind for kind, model in SOURCES().items() if model in found}
    assert shown >= set(SOURCES()) - {"directory"}, "a kind without an example"
    source = found[ResticSource]
    assert isinstance(source, ResticSource)
    assert source.host == "db1"
    assert set(source.environment) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def test_a_password_in_a_runbook_is_refused_and_not_repeated() -> None:
    entry = "  - {id: vault, kind: restic, repository: PLACE, password: SECRET}\n"
    for place, secret in (("rest:https://me:hunter2@host/", "env:PW"), ("/srv/x", "hunter2")):
        written = entry.replace("PLACE", f'"{place}"').replace("SECRET", secret)
        text = RUNBOOK.replace("BACKUPS", f"backups:\n{written}")
        with pytest.raises(RunbookInvalid) as caught:
            load(text.encode(), "r.yaml", vocabulary())
        assert "hunter2" not in str(caught.value.problems)
