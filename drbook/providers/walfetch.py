"""An archive of WAL of which a program hands out one file at a time."""

from collections.abc import Callable
from pathlib import Path

from drbook.core.walnames import HISTORY, SEGMENT
from drbook.providers.physicalcopy import wal_failed
from drbook.providers.tool import Failed

Fetch = Callable[[str, Path], bool]
"""Writes the file of that name there; False where the archive has none, and only then. Raises Failed, OSError."""


class FetchedWal:
    """Implements `WalArchive`. Half a file is never handed out under its name."""

    def __init__(self, fetch: Fetch, segment: int) -> None:
        """`segment` is how many bytes one has."""
        self._fetch = fetch
        self._segment = segment

    def close(self) -> None:
        """The reader holds what there is to close."""

    def get(self, name: str, into: Path) -> bool:
        if not (SEGMENT.fullmatch(name) or HISTORY.fullmatch(name)):
            raise wal_failed(name, Failed("it is no name of a WAL file", "See who asks for it"))
        part = into.with_name(into.name + ".part")
        try:
            if not self._fetch(name, part):
                return False
            size = part.stat().st_size
            if SEGMENT.fullmatch(name) and size != self._segment:
                why = f"it has {size} bytes, where {self._segment} are a whole one"
                raise Failed(why, "Another copy's archive may have it")
            part.rename(into)
        except Failed as error:
            raise wal_failed(name, error) from None
        except OSError as error:
            why = f"{into.name} cannot be written: {error.strerror or error}"
            raise wal_failed(name, Failed(why, "Make room there")) from None
        finally:
            part.unlink(missing_ok=True)
        return True
