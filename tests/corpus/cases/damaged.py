"""Copies whose bytes are not what was written: cut, flipped, emptied, lost, exchanged."""

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path

import zstandard

from corpus.case import BAD, GOOD, UNSURE, Case, Production, no_manifest
from corpus.world import World
from drbook.core.baseline import Manifest

DATA = b"customer 77"
"""What a flip goes into: text of a row, wherever that is still readable."""


def cut(share: float) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return spoil


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def text_flipped(path: Path) -> None:
    """One letter of one row: every form that is not compressed still loads."""
    data = path.read_bytes()
    assert data.count(DATA) >= 1
    path.write_bytes(data.replace(DATA, b"customeR 77", 1))


def flipped(path: Path) -> None:
    """One bit in the middle of the data."""
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 0x10
    path.write_bytes(bytes(data))


def in_zstd(then: Callable[[Path], None] | None) -> Callable[[Path], None]:
    """The whole archive in one zstd stream, as `pg_dump | zstd` makes it; spoiled before or after."""

    def spoil(path: Path) -> None:
        path.write_bytes(zstandard.ZstdCompressor(write_checksum=True).compress(path.read_bytes()))
        if then is not None:
            then(path)

    return spoil


def without_its_check(path: Path) -> None:
    """The last bytes of a zstd stream: all rows are there, and nobody can say whether they are right."""
    path.write_bytes(path.read_bytes()[:-4])


def without_its_restriction(path: Path) -> None:
    """As a pg_dump of before August 2025 wrote it."""
    lines = path.read_bytes().split(b"\n")
    own = [
        number
        for number, line in enumerate(lines)
        if line.startswith((b"\\restrict ", b"\\unrestrict ")) and len(line) > 60
    ]
    assert len(own) == 2
    path.write_bytes(b"\n".join(line for number, line in enumerate(lines) if number not in own))


def in_pieces(path: Path) -> None:
    """As `pzstd` writes it: before each frame one without data, which says how long the next one is."""
    data = path.read_bytes()
    half = len(data) // 2
    frames = [zstandard.compress(part) for part in (data[:half], data[half:])]
    path.write_bytes(
        b"".join(
            b"\x50\x2a\x4d\x18\x04\0\0\0" + len(frame).to_bytes(4, "little") + frame
            for frame in frames
        )
    )


def in_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes()))


def without_its_objects(path: Path) -> None:
    """Every list of large objects in a directory, emptied: pg_restore takes it without a word."""
    for each in path.glob("blobs*.toc"):
        each.write_bytes(b"")


def cut_behind_its_last_line(path: Path) -> None:
    """A row holds the line with which a plain dump ends."""
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"dump complete');\n") + len(b"dump complete');\n")])


def cut_before(start: str) -> Callable[[Path], None]:
    """A tar that ends where a file of it ends, before the last one whose name begins like this."""

    def spoil(path: Path) -> None:
        with tarfile.open(path) as tar:
            at = max(member.offset for member in tar if member.name.startswith(start))
        path.write_bytes(path.read_bytes()[:at])

    return spoil


def without_end_blocks(path: Path) -> None:
    path.write_bytes(path.read_bytes().rstrip(b"\0"))
    with path.open("ab") as stream:
        stream.write(bytes(-path.stat().st_size % 512))


def cut_at_a_row(path: Path) -> None:
    """The dump ends after a whole line of COPY's data."""
    data = path.read_bytes()
    at = data.index(b"\n", data.index(DATA)) + 1
    path.write_bytes(data[:at])


def a_file_is_gone(path: Path) -> None:
    largest = max(
        path.glob("*.dat*"), key=lambda each: each.stat().st_size if each.stem != "toc" else 0
    )
    largest.unlink()


def a_file_flipped(path: Path) -> None:
    text_flipped(next(each for each in path.glob("*.dat") if DATA in each.read_bytes()))


def another_format(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\0" * 4096)


def an_error_page(path: Path) -> None:
    path.write_bytes(b"<html><body>503 Service Unavailable</body></html>\n")


def only_counts(manifest: Manifest, world: World) -> Manifest:
    """A manifest of before rows were hashed."""
    assert manifest.counts is not None
    tables = tuple(one.model_copy(update={"content": None}) for one in manifest.counts.tables)
    return manifest.model_copy(
        update={"counts": manifest.counts.model_copy(update={"tables": tables})}
    )


def another_digest(manifest: Manifest, world: World) -> Manifest:
    return manifest.model_copy(update={"sha256": "0" * 64})


def of_another_database(manifest: Manifest, world: World) -> Manifest:
    """The counts of another backup, with this one's digest: two jobs that share a name."""
    other = world.production(OTHER).manifest
    return manifest.model_copy(update={"counts": other.counts})


OTHER = Production(
    "CREATE TABLE customers (id int PRIMARY KEY, name text); INSERT INTO customers VALUES (1, 'x')"
)
PLAIN = Production(options=("-Fp",))
RAW = Production(options=("-Fc", "-Z0"))
GZIP = Production(options=("-Fc", "-Z6"))
ENDING = Production(
    "CREATE TABLE a (line text);"
    " INSERT INTO a VALUES ('one'), ('-- PostgreSQL database dump complete'), ('three')",
    options=("-Fp", "--inserts"),
)
TAR = Production(options=("-Ft",))
FOLDER = Production(options=("-Fd",))
RAW_FOLDER = Production(options=("-Fd", "-Z0"))
LZ4 = Production(options=("-Fc", "--compress=lz4"))
ZSTD = Production(options=("-Fc", "--compress=zstd"))


PACKED = """
CREATE TABLE a (id int, hash text);
INSERT INTO a SELECT n, md5(n::text) FROM generate_series(1, 3000) n;
SELECT lo_create(7),
       lo_from_bytea(6, (SELECT string_agg(sha256(n::text::bytea), '') FROM generate_series(1, 2000) n))
"""


def packed(compression: str, *options: str) -> Production:
    return Production(PACKED, options=(f"--compress={named(compression)}", *options))


def named(compression: str) -> str:
    """As every pg_dump takes it; before 16 it knows gzip alone, and that by its level."""
    return "6" if compression == "gzip" else compression


def short(pattern: str) -> Callable[[Path], None]:
    """The largest of these files in a directory, cut."""

    def spoil(path: Path) -> None:
        largest = max(path.glob(pattern), key=lambda each: each.stat().st_size)
        assert largest.stat().st_size > 10_000
        cut(0.6)(largest)

    return spoil


def writes(compression: str) -> Callable[[World], str]:
    return lambda world: world.can_write(named(compression))


def no_counts(manifest: Manifest, world: World) -> Manifest:
    return manifest.model_copy(update={"counts": None})


def like_lz4(path: Path) -> None:
    """What `pg_dump | lz4` begins with; whether the rest is whole, nothing here can say."""
    path.write_bytes(b"\x04\x22\x4d\x18" + path.read_bytes())


def compressed_by_lz4(path: Path) -> None:
    """The header's byte that says how data is compressed (pg_backup_archiver.c, since format 1.15)."""
    data = bytearray(path.read_bytes())
    assert (data[:5], data[11]) == (b"PGDMP", 0)
    data[11] = 2
    path.write_bytes(bytes(data))


def cannot_lz4(world: World) -> str:
    if world.usual.major < 16:
        return "an archive says by what it is compressed from PostgreSQL 16 on"
    return "" if world.can_write("lz4") else "a pg_dump here reads lz4"


CASES = (
    Case("truncated, with a manifest", BAD, ("bytes",), spoil=cut(0.6)),
    Case("truncated, without a manifest", BAD, ("bytes",), spoil=cut(0.6), states=no_manifest),
    Case("truncated before it was signed", BAD, ("bytes",), spoil=cut(0.6), signed=True,
         states=no_counts, ),
    Case("zero bytes", BAD, ("bytes",), spoil=emptied, states=no_manifest),
    Case("zero bytes, with a manifest", BAD, ("bytes",), spoil=emptied),
    Case("another program's file", BAD, ("bytes",), spoil=another_format, states=no_manifest),
    Case("an error page in its place", BAD, ("bytes",), spoil=an_error_page, states=no_manifest),
    Case("plain, cut at a row", BAD, ("bytes",), of=PLAIN, spoil=cut_at_a_row, states=no_manifest),
    Case("plain in gzip, cut short", BAD, ("bytes",), of=PLAIN,
         spoil=lambda path: (in_gzip(path), cut(0.7)(path))[1], states=no_manifest),
    Case("plain INSERTs, cut behind a row that looks like its last line", BAD, ("bytes",), of=ENDING,
         spoil=cut_behind_its_last_line, states=no_manifest, target="cluster"),
    Case("plain INSERTs, a row that looks like its last line", GOOD, of=ENDING, states=no_manifest,
         content=False, target="cluster"),
    Case("directory, without what its large objects hold", BAD, ("bytes",), of=FOLDER,
         spoil=without_its_objects, states=no_manifest),
    Case("tar, cut short", BAD, ("bytes",), of=TAR, spoil=cut(0.7), states=no_manifest),
    Case("tar, cut between two of its files", BAD, ("bytes",), of=TAR, spoil=cut_before("blob"),
         states=no_manifest),
    Case("tar, cut before its last file", BAD, ("bytes",), of=TAR, spoil=cut_before("restore.sql"),
         states=no_manifest),
    Case("tar, without the blocks that end it", BAD, ("bytes",), of=TAR, spoil=without_end_blocks,
         states=no_manifest),
    Case("directory, a data file is gone", BAD, ("bytes",), of=FOLDER, spoil=a_file_is_gone,
         states=no_manifest),
    Case("directory, a data file is gone, with a manifest", BAD, ("bytes",), of=FOLDER,
         spoil=a_file_is_gone),
    Case("directory, a bit flipped, manifest with counts alone", BAD, ("bytes",), of=RAW_FOLDER,
         spoil=a_file_flipped, states=only_counts),
    Case("bit flipped, uncompressed, with a manifest", BAD, ("bytes",), of=RAW, spoil=text_flipped),
    Case("bit flipped, uncompressed, without a manifest", UNSURE, ("content",), bad=True, of=RAW,
         spoil=text_flipped, states=no_manifest),
    Case("bit flipped, uncompressed, before it was signed", BAD, ("content",), of=RAW,
         spoil=text_flipped, signed=True),
    Case("bit flipped, plain, without a manifest", UNSURE, ("content",), bad=True, of=PLAIN,
         spoil=text_flipped, states=no_manifest),
    Case("bit flipped, uncompressed, manifest with counts alone", BAD, ("bytes",), of=RAW,
         spoil=text_flipped, states=only_counts),
    Case("bit flipped, gzip, with a manifest", BAD, ("bytes",), of=GZIP, spoil=flipped),
    Case("bit flipped, gzip, without a manifest", BAD, ("bytes",), of=GZIP, spoil=flipped,
         states=no_manifest),
    Case("bit flipped, a zstd stream, with a manifest", BAD, ("bytes",), of=PLAIN,
         spoil=in_zstd(flipped)),
    Case("bit flipped, a zstd stream, without a manifest", BAD, ("bytes",), of=PLAIN,
         spoil=in_zstd(flipped), states=no_manifest),
    Case("a zstd stream without its last bytes", BAD, ("bytes",), of=PLAIN,
         spoil=in_zstd(without_its_check), states=no_manifest),
    Case("bit flipped, lz4, with a manifest", BAD, ("bytes",), of=LZ4, spoil=flipped,
         needs=writes("lz4")),
    Case("bit flipped, zstd, with a manifest", BAD, ("bytes",), of=ZSTD, spoil=flipped,
         needs=writes("zstd")),
    Case("an lz4 stream, which nothing here unpacks", UNSURE, ("bytes",), bad=False, spoil=like_lz4,
         states=no_manifest),
    Case("compressed by lz4, which nothing here reads", UNSURE, ("bytes",), bad=False, of=RAW,
         spoil=compressed_by_lz4, states=no_manifest, needs=cannot_lz4),
    *(
        case
        for compression, suffix in (("gzip", "gz"), ("lz4", "lz4"), ("zstd", "zst"))
        for case in (
            Case(f"custom, packed by {compression}", GOOD, of=packed(compression, "-Fc"),
                 states=no_manifest, content=False, target="cluster", needs=writes(compression)),
            Case(f"directory, packed by {compression}", GOOD, of=packed(compression, "-Fd"),
                 states=no_manifest, content=False, target="cluster", needs=writes(compression)),
            Case(f"directory, packed by {compression}, rows cut", BAD, ("bytes",),
                 of=packed(compression, "-Fd"), spoil=short(f"[0-9]*.dat.{suffix}"),
                 states=no_manifest, needs=writes(compression)),
            Case(f"directory, packed by {compression}, INSERTs cut", BAD, ("bytes",),
                 of=packed(compression, "-Fd", "--inserts"), spoil=short(f"[0-9]*.dat.{suffix}"),
                 states=no_manifest, needs=writes(compression)),
            Case(f"directory, packed by {compression}, a large object cut", BAD, ("bytes",),
                 of=packed(compression, "-Fd"), spoil=short(f"blob_*.dat.{suffix}"),
                 states=no_manifest, needs=writes(compression)),
        )
    ),
    Case("manifest with another digest", BAD, ("bytes",), states=another_digest),
    Case("manifest of another backup", BAD, ("rows", "in the backup", "type"), states=of_another_database),
)  # fmt: skip
