"""Packed files of WAL in a folder: whatever bit is wrong in one, it is damaged and nothing else."""

import gzip
import lzma
import os
from pathlib import Path

import pytest
import zstandard

from drbook.core.errors import StepFailed
from drbook.providers.sources.base import WAL_DAMAGED
from drbook.providers.walfolder import WalFolder

NAME = "000000010000000000000004"
BYTES = bytes(range(256)) * 800 + os.urandom(4000)
PACKED = {
    ".gz": gzip.compress(BYTES),
    ".xz": lzma.compress(BYTES),
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress(BYTES),
}


def _damaged(archive: WalFolder, into: Path) -> bool:
    try:
        return not archive.get(NAME, into)
    except StepFailed as error:
        return error.code == WAL_DAMAGED


@pytest.mark.parametrize("ending", PACKED)
def test_a_flipped_bit_is_damage_or_does_no_harm(tmp_path: Path, ending: str) -> None:
    """Each way of packing has more than one error for it."""
    good, seen = PACKED[ending], 0
    archive, into = WalFolder(tmp_path), tmp_path / "into"
    for at in [*range(10, 60), *range(60, len(good), max(1, len(good) // 60))]:
        spoilt = bytearray(good)
        spoilt[at] ^= 1
        (tmp_path / (NAME + ending)).write_bytes(spoilt)
        into.unlink(missing_ok=True)
        if _damaged(archive, into):
            assert not into.exists()
            seen += 1
        else:
            assert into.read_bytes() == BYTES
    assert seen > 50


@pytest.mark.parametrize("ending", PACKED)
def test_a_cut_file_is_damage(tmp_path: Path, ending: str) -> None:
    (tmp_path / (NAME + ending)).write_bytes(PACKED[ending][:-9])
    with pytest.raises(StepFailed) as raised:
        WalFolder(tmp_path).get(NAME, tmp_path / "into")
    assert raised.value.code == WAL_DAMAGED
