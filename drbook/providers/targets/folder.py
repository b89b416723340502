"""The folder of a new cluster: looked at without following anything, and made exclusively.

Everything happens relative to an open folder, so that a link put in place between the look and the
use is not walked through.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from drbook.core.baseline import Place
from drbook.core.errors import StepFailed
from drbook.core.freshfolder import FolderFacts, prove_fresh_folder
from drbook.core.ports import ProductionIdentity
from drbook.core.refusals import refused
from drbook.providers.pgidentity import boot_id
from drbook.providers.pgserver import ClusterServer
from drbook.providers.targets.above import FOLDER, above, mounts


def make_fresh(server: ClusterServer, production: Sequence[ProductionIdentity]) -> os.stat_result:
    """Make the server's folder where nothing stands. Returns what was made.

    Raises Refused where something stands there, or another folder lies at its path afterwards;
    StepFailed where it cannot be made.
    """
    path = server.folder
    with opened(path.parent) as parent:
        prove_fresh_folder(look(path, parent), production)
        try:
            server.make_folder(within=parent)
        except FileExistsError:
            raise refused(
                "target-exists",
                f"Something came to stand at {path} while it was being made.",
                compared="the name itself, by making it exclusively",
                means="It is neither used nor removed.",
            ) from None
        except OSError as error:
            raise StepFailed(
                f"{path} cannot be made: {error.strerror or error}.",
                means="Nothing was created.",
                next="Make room or mend the permissions, then run the step again.",
                code="target-folder",
            ) from None
        made = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
    still(path, made)
    return made


def still(path: Path, made: os.stat_result) -> None:
    """Raises Refused `target-changed` where another folder lies at the path than was made there."""
    try:
        found = os.lstat(path)
        same = (found.st_dev, found.st_ino) == (made.st_dev, made.st_ino)
        same = same and stat.S_ISDIR(found.st_mode)
    except OSError:
        same = False
    if not same:
        raise refused(
            "target-changed",
            f"Another folder lies at {path} than was made there.",
            compared=f"made was device {made.st_dev} inode {made.st_ino}",
        )


@contextmanager
def opened(parent: Path) -> Iterator[int | None]:
    """The folder that will hold the target, open; None where it is a link or cannot be opened."""
    try:
        descriptor = os.open(parent, FOLDER)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def look(path: Path, parent: int | None) -> FolderFacts:
    """What stands at a name in an open folder."""
    if parent is None:
        return FolderFacts(
            path=str(path),
            kind="unseen",
            parent="link" if path.parent.is_symlink() else "unseen",
        )
    boot = boot_id()
    higher = above(parent, boot)
    held = os.fstat(parent)
    mine = held.st_uid in (0, os.geteuid())
    # A sticky folder like /tmp may be written by all, but nobody replaces another's entries there.
    alone = not held.st_mode & 0o022 or bool(held.st_mode & stat.S_ISVTX)
    facts = FolderFacts(
        path=str(path),
        kind="absent",
        parent="private" if mine and alone else "shared",
        above=higher.folders,
        clusters=higher.clusters,
        hidden=higher.hidden,
    )
    try:
        found = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return facts
    except OSError:
        return replace(facts, kind="unseen")
    if stat.S_ISLNK(found.st_mode):
        return replace(facts, kind="link" if _leads_somewhere(path.name, parent) else "dangling")
    if not stat.S_ISDIR(found.st_mode):
        return replace(facts, kind="file")
    return _folder(facts, path, parent, found, boot)


def _folder(
    facts: FolderFacts, path: Path, parent: int, found: os.stat_result, boot: str
) -> FolderFacts:
    place = Place(device=found.st_dev, inode=found.st_ino, boot=boot) if boot else None
    facts = replace(facts, place=place, mounted=_mounted(path, found, parent))
    try:
        descriptor = os.open(path.name, FOLDER, dir_fd=parent)
    except OSError:
        return replace(facts, kind="unseen")
    try:
        names = os.listdir(descriptor)
        server = _server_in(descriptor)
    except OSError:
        return replace(facts, kind="unseen")
    finally:
        os.close(descriptor)
    return replace(facts, kind="full" if names else "empty", server=server)


def _leads_somewhere(name: str, parent: int) -> bool:
    try:
        os.stat(name, dir_fd=parent)
    except OSError:
        return False
    return True


def _mounted(path: Path, found: os.stat_result, parent: int) -> bool:
    """Whether something is mounted there: a bind mount of the same disk has the same device."""
    if found.st_dev != os.fstat(parent).st_dev:
        return True
    there = str(path.parent.resolve() / path.name)
    return any(each.point == there for each in mounts())


def _server_in(folder: int) -> Literal["none", "runs", "ran"]:
    try:
        descriptor = os.open("postmaster.pid", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    except OSError:
        return "none"
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        first = stream.readline()
    try:
        os.kill(abs(int(first)), 0)  # a standalone backend writes its number with a minus sign
    except PermissionError:
        return "runs"
    except (OSError, ValueError, OverflowError):
        return "ran"
    return "runs"
