"""Fetching from a real server: resuming after cut connections, checking, and full disks."""

import errno
import hashlib
import json
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.errors import Cancelled, StepFailed
from drbook.core.points import ByteFact
from drbook.core.signals import Output, Progress
from drbook.demo.proxy import Proxy
from drbook.demo.surprises import AtBody, Fault, Surprise
from drbook.providers import download as downloading
from drbook.providers.cancel import CancelToken
from drbook.providers.s3blob import seen_at
from drbook.providers.sources.base import same_bytes

MIB = 1024 * 1024
BIG = b"PGDMP" + bytes((index * 7 + index // 251) % 256 for index in range(MIB - 5)) * 1
BIG = (BIG * 3)[: 3 * MIB - 17]


class Cutter:
    """A TCP proxy that counts what the server sends and cuts connections after so many bytes."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts: list[int] = []
        self.sent = 0
        self.connections = 0
        self.refusing = False
        self.stalls: int | None = None
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self._upstream))
            self._open += [client, server]
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            return

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        here = 0
        try:
            while data := server.recv(16384):
                limit = self.cuts[0] if self.cuts and here + len(data) > self.cuts[0] else None
                if limit is not None:
                    self.cuts.pop(0)
                    data = data[: limit - here]
                while self.stalls is not None and here > self.stalls:
                    time.sleep(0.02)
                client.sendall(data)
                here += len(data)
                self.sent += len(data)
                if limit is not None:
                    break
        except OSError:
            return
        for end in (client, server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self.stalls = None
        self._listener.close()
        for end in self._open:
            end.close()


@pytest.fixture
def cutter(s3_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cutter]:
    monkeypatch.setattr(downloading, "_FIRST_WAIT", timedelta(milliseconds=5))
    proxy = Cutter(s3_server.port)
    yield proxy
    proxy.close()


def manifest(data: bytes, **more: object) -> bytes:
    fields = {"name": "x", "size": len(data), "taken_at": "2026-01-02T03:04:05Z"}
    return json.dumps(fields | {"sha256": hashlib.sha256(data).hexdigest()} | more).encode()


def put(server: Any, data: bytes, stated: bytes | None = None, **more: Any) -> str:
    bucket: str = server.bucket(versioned=True)
    client = server.client()
    client.put_object(Bucket=bucket, Key="n/..%2f $(id)&/-a b.dump", Body=data, **more)
    if stated is not None:
        client.put_object(Bucket=bucket, Key="n/..%2f $(id)&/-a b.dump.manifest.json", Body=stated)
    return bucket


def one_point(catalog: Any, drain: Any) -> Any:
    (point,) = drain(catalog.points("offsite"))[0]
    return point


COUNTED = {
    "taken_at": "2026-01-02T03:04:05Z",
    "identity": {"system_identifier": "7", "database": "shop", "database_oid": 5},
    "tables": [{"table": "public.t", "rows": 3}],
    "database_bytes": 7_654_321,
}


def test_a_good_copy_is_fetched_once(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    catalog = catalog_of(put(s3_server, BIG, manifest(BIG, counts=COUNTED)))
    point = one_point(catalog, drain)
    (fact, copy), signals = drain(catalog.fetch(point))
    assert (fact.state, copy.checked, copy.size) == ("intact", "digest", len(BIG))
    assert copy.database_bytes == 7_654_321
    path = catalog_of.folder / copy.name
    assert path.parent == catalog_of.folder / "copies"
    assert path.read_bytes() == BIG
    assert copy.sha256 == hashlib.sha256(BIG).hexdigest()
    shown = [each for each in signals if isinstance(each, Progress)]
    assert shown[-1].done == shown[-1].total == len(BIG)
    assert catalog_of.checked == []  # digest and counts are stated: it is not read a second time
    assert sorted(each.name for each in path.parent.iterdir()) == sorted(
        [path.name, f"{path.name}.checked.json"]
    )
    written = path.stat().st_mtime_ns
    again = drain(catalog_of(catalog_of.s3(point.location.split("/")[2])).fetch(point))[0]
    assert again == (fact, copy)
    assert path.stat().st_mtime_ns == written


def test_without_counts_in_its_manifest_its_rows_are_counted(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    held = ArchiveFacts(rows={"public.t": 3}, text_bytes=99)
    catalog_of.structure = ByteFact(state="structure", reason="read to its end", held=held)
    catalog = catalog_of(put(s3_server, BIG, manifest(BIG)))
    (fact, copy), _ = drain(catalog.fetch(one_point(catalog, drain)))
    assert (fact.state, copy.checked, copy.rows) == ("intact", "digest", {"public.t": 3})


def test_what_was_counted_is_noted_beside_the_copy(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    held = ArchiveFacts(rows={"public.t": 3}, text_bytes=99, roles=("app",))
    catalog_of.structure = ByteFact(state="structure", reason="read to its end", held=held)
    catalog = catalog_of(put(s3_server, BIG))
    point = one_point(catalog, drain)
    first = drain(catalog.fetch(point))[0]
    assert first[1].rows == {"public.t": 3}
    assert drain(catalog.fetch(point))[0] == first
    assert len(catalog_of.checked) == 1


def test_a_good_digest_does_not_make_a_broken_dump_whole(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    catalog_of.structure = ByteFact(state="damaged", reason="it is cut short")
    catalog = catalog_of(put(s3_server, BIG, manifest(BIG)))
    (fact, copy), _ = drain(catalog.fetch(one_point(catalog, drain)))
    assert (fact.state, copy) == ("damaged", None)
    assert "SHA-256" in fact.reason
    assert "cut short" in fact.reason
    assert list((catalog_of.folder / "copies").iterdir()) == []


def test_a_local_copy_that_changed_is_fetched_again(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    catalog = catalog_of(put(s3_server, BIG, manifest(BIG)))
    point = one_point(catalog, drain)
    (_, copy), _ = drain(catalog.fetch(point))
    path = catalog_of.folder / copy.name
    path.write_bytes(BIG[:-1] + b"!")
    (fact, _), _ = drain(catalog.fetch(point))
    assert fact.state == "intact"
    assert path.read_bytes() == BIG


@pytest.mark.parametrize("at", [0, len(BIG) // 2, len(BIG) - 1])
def test_one_flipped_byte_is_damage(at: int, s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bad = BIG[:at] + bytes([BIG[at] ^ 1]) + BIG[at + 1 :]
    catalog = catalog_of(put(s3_server, bad, manifest(BIG)))
    (fact, copy), _ = drain(catalog.fetch(one_point(catalog, drain)))
    assert (fact.state, copy) == ("damaged", None)
    assert "SHA-256" in fact.reason
    assert list((catalog_of.folder / "copies").iterdir()) == []


def flipped(share: int, times: int = 1) -> Fault:
    return Fault(Surprise.FLIP, AtBody(1, share), times)


@pytest.mark.parametrize(
    ("faults", "state"),
    [
        pytest.param([flipped(500)], "intact", id="once"),
        pytest.param([flipped(500, 2)], "damaged", id="twice the same: it lies there so"),
        pytest.param([flipped(500, 2), flipped(700)], "unknown", id="twice, and not the same"),
    ],
)
def test_a_bit_that_flips_on_the_way_is_not_taken_for_the_copys(
    faults: list[Fault], state: str, s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = put(s3_server, BIG, manifest(BIG))
    noted: list[str] = []
    with Proxy(s3_server.endpoint, faults, lambda fault, where: noted.append(where)) as proxy:
        catalog = catalog_of(catalog_of.s3(bucket, endpoint=proxy.endpoint))
        (fact, copy), signals = drain(catalog.fetch(one_point(catalog, drain)))
    assert fact.state == state, fact.reason
    assert (copy is not None) == (state == "intact")
    assert len(noted) == sum(fault.amount for fault in faults)
    assert any("once more" in each.text for each in signals if isinstance(each, Output))


@pytest.mark.parametrize(
    ("faults", "state"),
    [
        pytest.param([flipped(500)], "structure", id="once"),
        pytest.param([flipped(500, 2)], "damaged", id="twice the same: it lies there so"),
        pytest.param([flipped(500, 2), flipped(700)], "unknown", id="twice, and not the same"),
    ],
)
def test_what_nothing_states_is_read_twice_too_before_it_is_damaged(
    faults: list[Fault], state: str, s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket, catalog_of.sound = put(s3_server, BIG), BIG
    with Proxy(s3_server.endpoint, faults, lambda fault, where: None) as proxy:
        catalog = catalog_of(catalog_of.s3(bucket, endpoint=proxy.endpoint))
        (fact, copy), _ = drain(catalog.fetch(one_point(catalog, drain)))
    assert fact.state == state, fact.reason
    assert (copy is not None) == (state == "structure")
    assert len(catalog_of.checked) == 2


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("kind", [Surprise.CUT, Surprise.FLIP])
def test_a_manifest_that_broke_on_the_way_is_read_once_more(
    kind: Surprise, times: int, s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = put(s3_server, BIG, manifest(BIG))
    fault = Fault(kind, AtBody(1, 0, "manifest"), times)
    with Proxy(s3_server.endpoint, [fault], lambda fault, where: None) as proxy:
        catalog = catalog_of(catalog_of.s3(bucket, endpoint=proxy.endpoint))
        point = one_point(catalog, drain)
    assert point.digest_by == ("manifest" if times == 1 else "none")


@pytest.mark.parametrize("data", [BIG[:-1], b"", BIG + b"x"], ids=["short", "empty", "long"])
def test_a_wrong_size_is_damage_without_a_download(
    data: bytes, s3_server: Any, catalog_of: Any, drain: Any, cutter: Cutter
) -> None:
    bucket = put(s3_server, data, manifest(BIG))
    catalog = catalog_of(catalog_of.s3(bucket, endpoint=f"http://127.0.0.1:{cutter.port}"))
    (fact, copy), _ = drain(catalog.fetch(one_point(catalog, drain)))
    assert (fact.state, copy) == ("damaged", None)
    assert cutter.sent < 100_000


def test_without_a_manifest_the_structure_is_read(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    catalog = catalog_of(put(s3_server, BIG))
    point = one_point(catalog, drain)
    (fact, copy), _ = drain(catalog.fetch(point))
    assert (fact.state, copy.checked) == ("structure", "structure")
    assert len(catalog_of.checked) == 1
    (catalog_of.folder / copy.name).unlink()
    catalog_of.structure = ByteFact(state="unknown", reason="no pg_restore")
    (fact, copy), _ = drain(catalog.fetch(point))
    assert (fact.state, copy.checked) == ("unknown", "nothing")
    (catalog_of.folder / copy.name).unlink()
    catalog_of.structure = ByteFact(state="damaged", reason="it is cut short")
    (fact, copy), _ = drain(catalog.fetch(point))
    assert (fact.state, copy) == ("damaged", None)


def test_the_stores_checksum_counts_with_the_structure(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    catalog = catalog_of(put(s3_server, BIG, ChecksumAlgorithm="SHA256"))
    point = one_point(catalog, drain)
    (fact, copy), _ = drain(catalog.fetch(point))
    assert (fact.state, copy.checked) == ("intact", "digest")
    assert "store" in fact.reason
    (catalog_of.folder / copy.name).unlink()
    # A dump that was cut before it was uploaded matches its checksum perfectly: once is enough.
    catalog_of.structure = ByteFact(state="damaged", reason="it is cut short")
    assert drain(catalog.fetch(point))[0][0].state == "damaged"
    assert len(catalog_of.checked) == 2


def test_a_broken_manifest_does_not_keep_a_dump_away(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    catalog = catalog_of(put(s3_server, BIG, b"not json"))
    (fact, copy), _ = drain(catalog.fetch(one_point(catalog, drain)))
    assert (fact.state, copy.checked) == ("structure", "structure")


# --- connections that break --------------------------------------------------------------------


def test_a_cut_connection_is_resumed_where_it_broke(
    s3_server: Any, catalog_of: Any, drain: Any, cutter: Cutter
) -> None:
    bucket = put(s3_server, BIG, manifest(BIG))
    catalog = catalog_of(catalog_of.s3(bucket, endpoint=f"http://127.0.0.1:{cutter.port}"))
    point = one_point(catalog, drain)
    before = cutter.sent
    cutter.cuts = [MIB, MIB // 2]
    (fact, copy), signals = drain(catalog.fetch(point))
    assert fact.state == "intact"
    assert (catalog_of.folder / copy.name).read_bytes() == BIG
    assert cutter.cuts == []
    assert cutter.sent - before < len(BIG) + 3 * downloading_chunk() + 20_000
    assert sum(isinstance(each, Output) for each in signals) == 2


def downloading_chunk() -> int:
    from drbook.providers.s3blob import CHUNK

    return CHUNK


def test_a_server_that_is_gone_leaves_the_part_for_the_next_attempt(
    s3_server: Any, catalog_of: Any, drain: Any, cutter: Cutter
) -> None:
    bucket = put(s3_server, BIG, manifest(BIG))
    config = catalog_of.s3(bucket, endpoint=f"http://127.0.0.1:{cutter.port}")
    catalog = catalog_of(config)
    point = one_point(catalog, drain)
    cutter.cuts = [2 * MIB]

    def refuse() -> None:
        cutter.refusing = True

    with pytest.raises(StepFailed) as caught:
        run_and_once_cut(catalog.fetch(point), refuse)
    assert caught.value.code == "download"
    assert "next attempt" in caught.value.means
    (part,) = (catalog_of.folder / "copies").glob("*.part")
    kept = part.stat().st_size
    assert kept > MIB
    cutter.refusing = False
    before = cutter.sent
    (fact, _), signals = drain(catalog_of(config).fetch(point))
    assert fact.state == "intact"
    assert cutter.sent - before < len(BIG) - kept + 20_000
    assert any("re-read" in each.label for each in signals if isinstance(each, Progress))


def test_a_part_that_went_bad_is_not_the_stores_fault(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = put(s3_server, BIG, manifest(BIG))
    catalog = catalog_of(bucket)
    point = one_point(catalog, drain)
    stop_after_some(catalog, catalog_of, point)
    (part,) = (catalog_of.folder / "copies").glob("*.part")
    data = part.read_bytes()
    assert len(data) >= 64
    part.write_bytes(b"PGDMP" + bytes(len(data) - 5))
    catalog_of.cancel = CancelToken()
    (fact, copy), _ = drain(catalog_of(bucket).fetch(point))
    assert fact.state == "intact"
    assert (catalog_of.folder / copy.name).read_bytes() == BIG


def stop_after_some(catalog: Any, catalog_of: Any, point: Any) -> None:
    def run() -> None:
        for signal in catalog.fetch(point):
            if isinstance(signal, Progress) and signal.done:
                catalog_of.cancel.request("operator")

    with pytest.raises(Cancelled):
        run()


def run_and_once_cut(work: Any, then: Callable[[], None]) -> None:
    """Drain work; do something at each broken connection that it reports."""
    for signal in work:
        if isinstance(signal, Output):
            then()


def test_other_bytes_under_the_same_name_start_over(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = s3_server.bucket()
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key="a.dump", Body=BIG)
    catalog = catalog_of(bucket)
    point = one_point(catalog, drain)
    stop_after_some(catalog, catalog_of, point)
    other = BIG[:-1] + b"?"
    client.put_object(Bucket=bucket, Key="a.dump", Body=other)
    catalog_of.cancel = CancelToken()
    again = catalog_of(bucket)
    (_, copy), signals = drain(again.fetch(one_point(again, drain)))
    assert (catalog_of.folder / copy.name).read_bytes() == other
    assert not any("re-read" in each.label for each in signals if isinstance(each, Progress))


def test_bytes_that_change_midway_are_not_mixed(
    s3_server: Any, catalog_of: Any, drain: Any, cutter: Cutter
) -> None:
    bucket = s3_server.bucket()
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key="a.dump", Body=BIG)
    config = catalog_of.s3(bucket, endpoint=f"http://127.0.0.1:{cutter.port}")
    catalog = catalog_of(config)
    point = one_point(catalog, drain)
    cutter.cuts = [MIB]

    def overwrite() -> None:
        client.put_object(Bucket=bucket, Key="a.dump", Body=BIG[:-1] + b"?")

    with pytest.raises(StepFailed) as caught:
        run_and_once_cut(catalog.fetch(point), overwrite)
    assert caught.value.code == "changed"
    assert list((catalog_of.folder / "copies").glob("*.part*")) == []


def test_a_copy_that_is_gone(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = put(s3_server, BIG)
    catalog = catalog_of(bucket)
    point = one_point(catalog, drain)
    s3_server.client().delete_object(Bucket=bucket, Key=point.id, VersionId=point.version)
    with pytest.raises(StepFailed) as caught:
        drain(catalog.fetch(point))
    assert "not there any more" in caught.value.what


# --- disks -------------------------------------------------------------------------------------


def test_no_space_is_said_before_anything_comes(
    s3_server: Any, catalog_of: Any, drain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = catalog_of(put(s3_server, BIG, manifest(BIG)))
    point = one_point(catalog, drain)
    monkeypatch.setattr(downloading, "_SPARE", 2**60)
    with pytest.raises(StepFailed) as caught:
        drain(catalog.fetch(point))
    assert caught.value.code == "no-space"


def test_a_disk_that_fills_up_keeps_what_came(
    s3_server: Any, catalog_of: Any, drain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = catalog_of(put(s3_server, BIG, manifest(BIG)))
    point = one_point(catalog, drain)
    write = downloading._Part.write

    def full(self: Any, chunk: bytes) -> None:
        if self.done >= MIB:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, chunk)

    monkeypatch.setattr(downloading._Part, "write", full)
    with pytest.raises(StepFailed) as caught:
        drain(catalog.fetch(point))
    assert caught.value.code == "no-space"
    assert "kept" in caught.value.means
    (part,) = (catalog_of.folder / "copies").glob("*.part")
    assert part.stat().st_size >= MIB
    monkeypatch.setattr(downloading._Part, "write", write)
    (fact, _), signals = drain(catalog.fetch(point))
    assert fact.state == "intact"
    assert any("re-read" in each.label for each in signals if isinstance(each, Progress))


_MEMORY = """
    import json, resource, sys
    from pathlib import Path
    from drbook.core.points import ByteFact
    from drbook.providers.backups import BackupCatalog
    from drbook.providers.cancel import CancelToken
    from drbook.providers.hiding import Secret
    from drbook.providers.sources.s3 import S3Source

    def check(path, cancel):
        return ByteFact(state="structure")
        yield

    config = S3Source.model_validate(json.loads(sys.argv[1]))
    values = {"env:k": Secret("admin"), "env:s": Secret("admin-secret")}
    catalog = BackupCatalog([config], Path(sys.argv[2]), CancelToken(),
                            secrets=values.__getitem__, check_structure=check)
    found = {}
    def run(work):
        while True:
            try:
                next(work)
            except StopIteration as done:
                return done.value
    for point in run(catalog.points("offsite")):
        found[point.id] = point
    run(catalog.fetch(found["small.dump"]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fact, copy = run(catalog.fetch(found["large.dump"]))
    assert copy.size == 64 * 1024 * 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_dump(s3_server: Any, tmp_path: Path) -> None:
    bucket = s3_server.bucket()
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key="small.dump", Body=BIG)
    client.put_object(Bucket=bucket, Key="large.dump", Body=bytes(64 * MIB))
    config = {"id": "offsite", "bucket": bucket, "endpoint": s3_server.endpoint}
    config |= {"access_key": "env:k", "secret_key": "env:s"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_MEMORY), json.dumps(config), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8 * 1024, "KiB that 64 MiB added"


def test_a_stop_ends_a_read_that_waits(
    s3_server: Any, catalog_of: Any, drain: Any, cutter: Cutter
) -> None:
    bucket = put(s3_server, BIG, manifest(BIG))
    catalog = catalog_of(catalog_of.s3(bucket, endpoint=f"http://127.0.0.1:{cutter.port}"))
    point = one_point(catalog, drain)
    cutter.stalls = MIB
    threading.Timer(0.7, lambda: catalog_of.cancel.request("operator")).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        drain(catalog.fetch(point))
    assert time.monotonic() - begun < 5
    (part,) = (catalog_of.folder / "copies").glob("*.part")
    assert part.stat().st_size > MIB // 2


def test_a_full_disk_at_the_last_note(
    s3_server: Any, catalog_of: Any, drain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = catalog_of(put(s3_server, BIG, manifest(BIG)))
    point = one_point(catalog, drain)

    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("drbook.providers.copies.sync_folder", full)
    with pytest.raises(StepFailed) as caught:
        drain(catalog.fetch(point))
    assert caught.value.code == "disk"


def test_an_object_that_was_stored_again_is_another_copy(
    s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = s3_server.bucket()
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key="a.dump", Body=BIG)
    catalog = catalog_of(bucket)
    point = one_point(catalog, drain)
    assert point.seen == f"{len(BIG)} {int(point.taken_at.timestamp())}"
    before = point.model_copy(update={"seen": f"{len(BIG)} 1"})
    fact, copy = drain(catalog.fetch(before))[0]
    assert (fact.state, copy) == ("unknown", None)
    assert drain(catalog.fetch(point))[0][1].size == len(BIG)


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        ("7 60", "7 60", True),
        ("7 60", "7 61", True),
        ("7 61", "7 60", True),
        ("7 60", "7 62", False),
        ("7 60", "8 60", False),
        ("7 60", "", False),
        ("7 60", "7 ", False),
        ("ab12", "ab13", False),
        ("ab12", "ab12", True),
    ],
)
def test_a_second_that_is_rounded_otherwise_is_the_same(then: str, now: str, same: bool) -> None:
    assert same_bytes(then, now) is same


@pytest.mark.parametrize(("version", "seen"), [(None, "7 60"), ("null", "7 60"), ("v1", "")])
def test_a_version_pins_what_is_stored(version: str | None, seen: str) -> None:
    assert seen_at(version, 7, datetime(1970, 1, 1, 0, 1, 0, 900_000, UTC)) == seen
    assert seen_at(version, 7, None) == ""
