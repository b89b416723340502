"""A dump's form from its first bytes, and its bytes unpacked: without a server."""

import gzip
import io
import lzma
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from drbook.core.signals import Progress
from drbook.providers.archive import (
    CHUNK,
    Archive,
    Meter,
    Unreadable,
    _Reading,
    chunks,
    decompressed,
    feed_of,
    open_archive,
    packed_by,
    sniff,
)

PLAIN = b"--\n-- PostgreSQL database dump\n--\n"
TAR = b"toc.dat\0".ljust(257, b"\0") + b"ustar\x0000"
PACK = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty"),
        (b"PGDMP", "custom"),
        (b"PGDM", "unknown"),
        (b"xPGDMP", "unknown"),
        (TAR, "tar"),
        (b"./" + TAR[:255] + TAR[257:], "tar"),
        (TAR.replace(b"toc.dat", b"any.dat"), "unknown"),
        (TAR.replace(b"ustar", b"usta\0"), "unknown"),
        (b"\0" + TAR, "unknown"),
        (PLAIN, "plain"),
        (PLAIN[3:], "plain"),
        (b"SELECT 1; -- PostgreSQL database dump", "unknown"),
        (b"\n" * 996 + PLAIN[3:], "plain"),
        (b"\n" * 998 + PLAIN[3:], "unknown"),
        (b"SELECT 1;", "unknown"),
    ],
)
@pytest.mark.parametrize("packed", PACK)
def test_what_begins_like_this(tmp_path: Path, head: bytes, kind: str, packed: str) -> None:
    assert sniff(head) == kind
    path = tmp_path / "dump"
    path.write_bytes(PACK[packed](head))
    expected = "unknown" if packed != "none" and not head else kind
    assert open_archive(path) == Archive(path, expected, packed, head)  # type: ignore[arg-type]


@pytest.mark.parametrize("packed", PACK)
def test_of_a_long_one_only_the_beginning_is_looked_at(tmp_path: Path, packed: str) -> None:
    path = tmp_path / "dump"
    text = PLAIN + os.urandom(10_000)
    path.write_bytes(PACK[packed](text))
    found = open_archive(path)
    assert found.head == text[:4096]
    assert (found.kind, found.compression) == ("plain", packed)


@pytest.mark.parametrize("packed", ["gzip", "zstd", "xz"])
def test_a_beginning_that_cannot_be_unpacked(tmp_path: Path, packed: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(PACK[packed](PLAIN)[:8])
    assert open_archive(path) == Archive(path, "unknown", packed, b"")  # type: ignore[arg-type]


def test_a_folder_is_one_by_its_list(tmp_path: Path) -> None:
    assert open_archive(tmp_path) == Archive(tmp_path, "unknown", "none", b"")
    (tmp_path / "toc.dat").mkdir()
    assert open_archive(tmp_path).kind == "unknown"
    (tmp_path / "toc.dat").rmdir()
    (tmp_path / "toc.dat").write_bytes(b"")
    assert open_archive(tmp_path) == Archive(tmp_path, "directory")


def test_no_name_is_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-f").write_bytes(b"PGDMP")
    assert open_archive(Path("-f")).path == tmp_path / "-f"
    with pytest.raises(FileNotFoundError):
        open_archive(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("packed", "shown", "fed"),
    [
        ("none", "pg_dump custom", False),
        ("gzip", "pg_dump custom, gzip", True),
        ("zstd", "pg_dump custom, zstd", True),
        ("xz", "pg_dump custom, xz", True),
    ],
)
def test_what_it_is_in_words(packed: str, shown: str, fed: bool) -> None:
    found = Archive(Path("x"), "custom", packed)  # type: ignore[arg-type]
    assert (found.show(), found.needs_feed) == (shown, fed)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"BZh91AY", "bzip2"),
        (b"PK\x03\x04", "zip"),
        (b"age-encryption.org/v1\n", "age"),
        (b"-----BEGIN PGP MESSAGE-----", "OpenPGP"),
        (b"Salted__12345678", "openssl"),
        (b" BZh", ""),
        (b"\x1f\x8b", ""),
        (b"", ""),
    ],
)
def test_what_nothing_here_unpacks(head: bytes, name: str) -> None:
    assert packed_by(head) == name


# --- the bytes ----------------------------------------------------------------------------------


def read(path: Path, packed: str) -> Iterator[bytes]:
    with decompressed(path, packed) as reading:  # type: ignore[arg-type]
        yield from chunks(reading, Meter("", 1))


@pytest.mark.parametrize("packed", PACK)
def test_all_of_it_comes_in_pieces(tmp_path: Path, packed: str) -> None:
    """Several members or frames behind each other are one file, as gzip and zstd themselves read it."""
    path = tmp_path / "dump"
    text = os.urandom(CHUNK + 10)
    path.write_bytes(PACK[packed](text) + PACK[packed](b"second"))
    pieces = list(read(path, packed))
    assert b"".join(pieces) == text + b"second"
    assert len(pieces[0]) == CHUNK


@pytest.mark.parametrize("packed", ["gzip", "zstd", "xz"])
@pytest.mark.parametrize("damage", ["short", "changed", "followed"])
def test_every_kind_of_damage_is_one(tmp_path: Path, packed: str, damage: str) -> None:
    path = tmp_path / "dump"
    whole = _whole(packed, PLAIN * 999)
    changed = whole[:40] + bytes([whole[40] ^ 0xFF]) + whole[41:]
    path.write_bytes(
        {"short": whole[:-3], "changed": changed, "followed": whole + b"\x01more"}[damage]
    )
    with pytest.raises(Unreadable) as caught:
        list(read(path, packed))
    assert caught.value.__cause__ is None
    assert str(caught.value)


@pytest.mark.parametrize("packed", ["gzip", "zstd", "xz"])
def test_wherever_a_file_ends_early_that_is_damage(tmp_path: Path, packed: str) -> None:
    path = tmp_path / "dump"
    whole = _whole(packed, PLAIN)
    for length in range(1, len(whole)):
        path.write_bytes(PACK[packed](b"first") + whole[:length])
        with pytest.raises(Unreadable):
            list(read(path, packed))


def _whole(packed: str, text: bytes) -> bytes:
    return _checked(text) if packed == "zstd" else PACK[packed](text)


def _checked(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(text)


def test_what_a_library_says_of_it_is_one_short_line(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise EOFError("\x1b[2J" + "x" * 300)

    with pytest.raises(Unreadable) as caught:
        _Reading(Broken(), Broken()).read()
    assert str(caught.value).startswith("\\x1b[2J" + "x" * 190)
    assert str(caught.value).endswith("x … (304 characters)")
    assert len(str(caught.value)) < 230


SKIPPED = [bytes([first]) + b"\x2a\x4d\x18\x04\0\0\0abcd" for first in (0x50, 0x5F)]


@pytest.mark.parametrize("skipped", SKIPPED)
def test_frames_without_data_are_passed_over(tmp_path: Path, skipped: bytes) -> None:
    """As `pzstd` writes them before each of its own."""
    path = tmp_path / "dump"
    path.write_bytes(skipped + _checked(PLAIN) + skipped + _checked(b"second") + skipped)
    assert b"".join(read(path, "zstd")) == PLAIN + b"second"
    assert open_archive(path).kind == "plain"
    assert open_archive(path).compression == "zstd"


@pytest.mark.parametrize("first", [0x4F, 0x60])
def test_what_only_looks_like_one(tmp_path: Path, first: int) -> None:
    path = tmp_path / "dump"
    path.write_bytes(bytes([first]) + SKIPPED[0][1:] + _checked(PLAIN))
    assert open_archive(path).compression == "none"


def test_a_file_that_grows_a_millionfold_is_held_in_small_pieces(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    # RFC 8878, 3.1.1.2: blocks of one byte that stands for 128 KiB, the last one raw and empty.
    block = (2**17 << 3 | 1 << 1).to_bytes(3, "little") + b"x"
    path.write_bytes(b"\x28\xb5\x2f\xfd\x00\x58" + block * 3000 + b"\x01\x00\x00")
    assert path.stat().st_size < 13_000
    tracemalloc.start()
    try:
        assert sum(map(len, read(path, "zstd"))) == 3000 * 2**17
        assert tracemalloc.get_traced_memory()[1] < 128 * 2**20
    finally:
        tracemalloc.stop()


def test_a_frame_may_not_claim_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    for exponent, fits in ((27, True), (28, False)):
        # RFC 8878, 3.1.1: magic, a descriptor without a size, the window as a power of two, a raw block.
        window = (exponent - 10) << 3
        path.write_bytes(b"\x28\xb5\x2f\xfd\x00" + bytes([window]) + b"\x19\x00\x00abc")
        if fits:
            assert b"".join(read(path, "zstd")) == b"abc"
        else:
            with pytest.raises(Unreadable):
                list(read(path, "zstd"))


def test_what_is_written_into_a_program_s_input(tmp_path: Path) -> None:
    path = tmp_path / "dump.gz"
    text = os.urandom(2 * CHUNK) + b"end"
    path.write_bytes(gzip.compress(text))
    size = path.stat().st_size
    archive, meter, written = open_archive(path), Meter("reading", size), io.BytesIO()
    assert meter.signal() == Progress("reading", 0, size, "bytes")
    feed_of(archive, meter)(written)
    assert written.getvalue() == text
    assert meter.signal() == Progress("reading", size, size, "bytes")
    edited = io.BytesIO()
    feed_of(archive, meter, lambda pieces: (piece[:1] for piece in pieces))(edited)
    assert edited.getvalue() == text[:1] + text[CHUNK : CHUNK + 1] + b"e"


def test_no_more_is_done_than_there_is() -> None:
    """A file may grow while it is read."""
    assert Meter("x", 5, done=9).signal() == Progress("x", 5, 5, "bytes")
    assert Meter("x", 5, done=3).signal() == Progress("x", 3, 5, "bytes")


def test_how_far_it_is_counts_the_packed_bytes(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(gzip.compress(b"x" * 50 * CHUNK))
    meter = Meter("", path.stat().st_size)
    with decompressed(path, "gzip") as reading:
        seen = [meter.done for _ in chunks(reading, meter)]
    assert seen[-1] <= path.stat().st_size
    assert seen[0] > 0
    assert len(seen) == 50


# --- xz -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [0, 4, 8, 4096])
def test_zeros_between_and_behind_xz_streams_are_passed_over(tmp_path: Path, zeros: int) -> None:
    path = tmp_path / "dump"
    path.write_bytes((lzma.compress(PLAIN) + bytes(zeros)) * 2)
    assert b"".join(read(path, "xz")) == PLAIN * 2


@pytest.mark.parametrize("zeros", [1, 2, 3, 1025])
def test_other_numbers_of_them_are_damage(tmp_path: Path, zeros: int) -> None:
    path = tmp_path / "dump"
    path.write_bytes(lzma.compress(PLAIN) + bytes(zeros))
    with pytest.raises(Unreadable, match="multiple of four"):
        list(read(path, "xz"))


def test_what_the_xz_program_writes_is_read(tmp_path: Path) -> None:
    """In several blocks, as `-T` makes them, and at its highest preset."""
    text = os.urandom(300_000) + bytes(300_000)
    made = [lzma.compress(text, check=check) for check in (lzma.CHECK_NONE, lzma.CHECK_SHA256)]
    if xz := shutil.which("xz"):
        made += [
            subprocess.run([xz, "-c", *options], input=text, capture_output=True, check=True).stdout
            for options in (["-9e"], ["--block-size=65536", "-T2"])
        ]
    path = tmp_path / "dump"
    path.write_bytes(b"".join(made))
    assert b"".join(read(path, "xz")) == text * len(made)


@pytest.mark.parametrize("at", [0, 1])
def test_one_that_takes_too_much_memory_is_not_damaged(tmp_path: Path, at: int) -> None:
    """What it holds is not known here, and another machine may read it."""
    greedy = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 * 1024 * 1024}]
    streams = [lzma.compress(PLAIN), lzma.compress(PLAIN, filters=greedy)]
    path = tmp_path / "dump"
    path.write_bytes(b"".join(streams if at else streams[::-1]))
    with pytest.raises(OSError, match="more than 160 MiB of memory"):
        list(read(path, "xz"))


def test_an_xz_bomb_is_read_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(lzma.compress(bytes(64 * 1024 * 1024)))
    assert path.stat().st_size < 20_000
    tracemalloc.start()
    try:
        assert sum(len(piece) for piece in read(path, "xz")) == 64 * 1024 * 1024
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024  # half of it is its dictionary
    finally:
        tracemalloc.stop()


def test_a_python_without_xz_does_not_call_it_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dump"
    path.write_bytes(lzma.compress(PLAIN))
    monkeypatch.setitem(sys.modules, "lzma", None)
    with pytest.raises(OSError, match="built without xz"):
        open_archive(path)
