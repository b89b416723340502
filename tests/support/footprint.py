"""What lies in folders, to the byte: the proof that something changed nothing there."""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path


def footprint(root: Path, *, without: Iterable[Path] = ()) -> Mapping[str, tuple[object, ...]]:
    """Everything below a folder: kind and rights, owner, and what files hold and when they changed.

    Folders' own times are left out: a scratch file that came and went moves them.
    """
    left_out = set(without)
    found: dict[str, tuple[object, ...]] = {}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if Path(folder, name) not in left_out]
        for name in (*names, *files):
            path = Path(folder, name)
            status = path.lstat()
            facts: tuple[object, ...] = (status.st_mode, status.st_uid, status.st_gid)
            if stat.S_ISLNK(status.st_mode):
                facts += (os.readlink(path),)
            elif stat.S_ISREG(status.st_mode):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                facts += (status.st_size, status.st_mtime_ns, digest)
            found[str(path.relative_to(root))] = facts
    return found
