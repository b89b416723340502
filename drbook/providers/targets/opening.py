"""The archive that is to be loaded: opened, or refused before anything is done."""

from pathlib import Path

from drbook.core.errors import StepFailed
from drbook.core.values import plain
from drbook.providers.archive import Archive, open_archive, packed_by
from drbook.providers.archive_toc import why_not_read


def loadable(path: Path) -> Archive:
    """Raises StepFailed where it is none, or one that is never loaded."""
    try:
        archive = open_archive(path)
    except OSError as error:
        raise StepFailed(
            f"The copy {plain(path.name, 200)} cannot be read: {error.strerror or error}.",
            means="Nothing was loaded.",
            next="Run the locate step again: it fetches what is missing.",
            code="archive",
        ) from None
    if by := packed_by(archive.head):
        raise StepFailed(
            f"The copy {path.name} is packed with {by}, which nothing here unpacks.",
            means="It may be whole. Nothing was loaded.",
            next="Unpack it into a directory that the runbook names as a source, and locate again.",
            code="archive-packed",
        )
    if archive.kind in ("unknown", "empty"):
        raise StepFailed(
            f"The copy {path.name} is no pg_dump archive.",
            means="Nothing was loaded.",
            next="Choose another recovery point.",
            code="archive",
        )
    if kept := why_not_read(archive):
        raise StepFailed(
            f"The copy {path.name} {kept.reason}.",
            means="Loading it could read files of this host. Nothing was loaded.",
            next="Choose another recovery point, and ask who could write to this one.",
            code="archive-outside",
        )
    return archive
