"""The ends of packed files.

`packed/` holds what pg_dump 17.12 of Debian 13 writes with `-Fd --inserts --compress=lz4` and `=zstd` (the
rows of a table, a large object of 180,000 bytes), and what `lz4 -BX --content-size` and `zstd --check`
make of 150,003 bytes: frames with every optional field that is a checksum or a size.
"""

import io
import shutil
from pathlib import Path

import pytest
import zstandard

from drbook.providers.archive import open_archive
from drbook.providers.archive_toc import Kept, why_not_read
from drbook.providers.frames import why_not_whole

PACKED = sorted((Path(__file__).parent / "packed").iterdir())
LIKE_ZEROS = zstandard.ZstdCompressor(write_content_size=True).compress(bytes(400_000))


def said(data: bytes) -> str:
    return why_not_whole(io.BytesIO(data))


def test_every_kind_is_there() -> None:
    kinds = {
        f"{name}.{suffix}" for name in ("checked", "object", "rows") for suffix in ("lz4", "zst")
    }
    assert {path.name for path in PACKED} == kinds
    assert zstandard.get_frame_parameters(LIKE_ZEROS).content_size == 400_000


@pytest.mark.parametrize("path", PACKED, ids=lambda path: path.name)
def test_a_file_is_whole_and_none_of_its_beginnings_is(path: Path) -> None:
    data = path.read_bytes()
    assert said(data) == ""
    assert said(data + data) == ""
    assert {said(data[:size]) for size in range(4, len(data))} == {"ends early"}
    assert {said(data[:size]) for size in range(1, 4)} == {"holds something else than packed data"}
    assert {said(data + data[:size]) for size in range(4, len(data))} == {"ends early"}


def test_large_blocks_and_repeated_bytes_are_gone_over() -> None:
    assert said(LIKE_ZEROS) == ""
    assert {said(LIKE_ZEROS[:size]) for size in range(4, len(LIKE_ZEROS))} == {"ends early"}


@pytest.mark.parametrize("block_check", [False, True])
@pytest.mark.parametrize("size", [False, True])
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("dictionary", [False, True])
def test_each_optional_field_of_lz4_is_gone_over(
    block_check: bool, size: bool, check: bool, dictionary: bool
) -> None:
    flags = 0x40 | 0x10 * block_check | 0x08 * size | 0x04 * check | 0x01 * dictionary
    block = (3).to_bytes(4, "little") + b"abc" + b"\1" * 4 * block_check
    as_it_is = (0x80000002).to_bytes(4, "little") + b"de" + b"\1" * 4 * block_check
    header = bytes([flags, 0x40]) + b"\1" * (8 * size + 4 * dictionary) + b"\1"
    frame = b"\x04\x22\x4d\x18" + header + block + as_it_is + bytes(4) + b"\1" * 4 * check
    assert said(frame) == ""
    assert said(frame + frame) == ""
    assert {said(frame[:length]) for length in range(4, len(frame))} == {"ends early"}


def test_nothing_is_nothing_and_something_else_is_told() -> None:
    assert said(b"") == ""
    assert said(PACKED[0].read_bytes() + b"1\n") == "holds something else than packed data"
    assert said(b"\x28\xb5\x2f\xfd" + b"\xff" * 100) == "ends early"


@pytest.mark.parametrize("suffix", ["lz4", "zst"])
def test_a_directory_with_a_file_that_ends_early_is_damaged(tmp_path: Path, suffix: str) -> None:
    """Told before pg_restore is asked, so that this holds of programs that read neither, too."""
    for source, name in (("rows", "3416.dat"), ("object", "blob_6.dat")):
        shutil.copy(
            Path(__file__).parent / "packed" / f"{source}.{suffix}", tmp_path / f"{name}.{suffix}"
        )
    (tmp_path / "toc.dat").write_bytes(b"PGDMP")
    for name in (f"3416.dat.{suffix}", f"blob_6.dat.{suffix}"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:-1])
        kept = why_not_read(open_archive(tmp_path))
        assert kept == Kept("damaged", f"holds {name}, which ends early")
        (tmp_path / name).write_bytes(whole)
    (tmp_path / f"blob_7.dat.{suffix}").write_bytes(b"")
    kept = why_not_read(open_archive(tmp_path))
    assert kept is not None
    assert "table of contents" in kept.reason  # the next thing that is looked at
    (tmp_path / f"3417.dat.{suffix}").write_bytes(b"")
    kept = why_not_read(open_archive(tmp_path))
    assert kept == Kept("damaged", f"holds a packed file without a byte: 3417.dat.{suffix}")
