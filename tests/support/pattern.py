"""Clusters for tests' own servers, copied from one that `initdb` made once per worker.

`initdb` takes a second, and the tests need hundreds of servers that are only the surroundings of what they
show. A copy gets a system identifier of its own, for that is who a cluster is: where PostgreSQL keeps it, in
`global/pg_control` and at the head of its WAL (`src/include/catalog/pg_control.h`, `xlog_internal.h`). What
shows how drbook makes a cluster does not come here.
"""

import secrets
import shutil
import struct
import time
from pathlib import Path

from drbook.core.signals import finish
from drbook.providers.pgserver import ClusterServer, server_user

LONG_HEADER = 0x0002
"""In a WAL page's flags: the identifier follows, 24 bytes from the page's begin."""
_kept: list[Path] = []


def keep_in(folder: Path) -> None:
    """Where the patterns of this worker lie."""
    _kept[:] = [folder]


def create(server: ClusterServer) -> None:
    """What `server.create()` does with nothing given, for a server without passwords."""
    if not _kept or server_user() == "nobody":  # a copy of ours would not be nobody's
        finish(server.create())
        return
    tools = server.tools
    pattern = ClusterServer(tools, _kept[0] / str(tools.bin).replace("/", "-"), name="pattern")
    if not pattern.folder.exists():
        pattern.make_folder()
        finish(pattern.create())
    shutil.copytree(pattern.data, server.data, symlinks=True)
    _name_anew(server.data)


def _name_anew(data: Path) -> None:
    # As PostgreSQL makes them: the seconds of the clock, and something else that differs.
    identifier = struct.pack("=Q", int(time.time()) << 32 | secrets.randbits(32))
    control = data / "global" / "pg_control"
    old = control.read_bytes()
    size = _checked_length(old)
    new = identifier + old[8:size]
    control.write_bytes(new + struct.pack("=I", _crc32c(new)) + old[size + 4 :])
    (segment,) = (each for each in (data / "pg_wal").iterdir() if each.is_file())
    with segment.open("r+b") as stream:
        head = stream.read(32)
        (flags,) = struct.unpack_from("=H", head, 2)
        assert flags & LONG_HEADER
        assert head[24:] == old[:8]
        stream.seek(24)
        stream.write(identifier)


def _checked_length(control: bytes) -> int:
    """How many bytes stand before their own checksum; each major version has its own number."""
    found = [
        size
        for size in range(200, 400, 4)
        if control[size : size + 4] == struct.pack("=I", _crc32c(control[:size]))
    ]
    (size,) = found
    return size


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = [_entry(byte) for byte in range(256)]
