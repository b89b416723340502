"""Whose a data directory is, by its own control file. No server and no client library is needed for it."""

import sys
from pathlib import Path

CONTROL = Path("global", "pg_control")


def system_identifier_in(data: Path) -> str:
    """The system identifier in a data directory's control file: its first eight bytes.

    Raises OSError where it cannot be read (PostgreSQL, `src/include/catalog/pg_control.h`).
    """
    with (data / CONTROL).open("rb") as stream:
        return str(int.from_bytes(stream.read(8), sys.byteorder))
