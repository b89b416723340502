"""What restic's `snapshots --json` and `ls --json` say: the snapshots, and the files within each. Pure.

The shapes are those that restic 0.14 printed (later ones add fields). A snapshot carries no size: the
sizes are the nodes' own. `ls` walks a folder to its end before the next one.
"""

import json
from collections.abc import Sequence

from drbook.core.values import plain
from drbook.providers.dumptree import Dump, Entry, Snapshot, Tree, moment


def snapshots_in(text: bytes) -> list[Snapshot]:
    """Newest first. Raises ValueError where it is not what restic prints."""
    try:
        found = json.loads(text or b"[]") or []
        listed = [
            Snapshot(
                id=hexadecimal(one["id"], "restic names a snapshot"),
                time=moment(one["time"]),
                tree=str(one["tree"]),
                paths=tuple(map(str, one.get("paths") or ())),
            )
            for one in found
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"restic's list of snapshots lacks {error}") from None
    return sorted(listed, key=lambda one: (one.time, one.id), reverse=True)


def hexadecimal(id: object, what: str) -> str:
    """It becomes an argument, so that it must be one."""
    if not isinstance(id, str) or len(id) != 64 or set(id) - set("0123456789abcdef"):
        raise ValueError(f"{what} by something else than 64 hexadecimal digits")
    return id


class Listing:
    """Takes what `restic ls --json SNAPSHOT` prints, piece by piece."""

    def __init__(self, targets: Sequence[str] = (), wanted: str | None = None) -> None:
        """`targets` are the snapshot's own paths, `wanted` a pattern for the paths of dumps."""
        self.left: list[str] = []
        """What could not be seen, in words."""
        self.seen = False
        """False where the snapshot is not there: restic ends well then, too."""
        self._tree = Tree(targets, wanted)
        self._rest = b""

    @property
    def dumps(self) -> list[Dump]:
        return self._tree.dumps

    def take(self, chunk: bytes) -> None:
        """Raises ValueError for what restic does not print."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)

    def end(self) -> list[Dump]:
        """Raises ValueError where it ends in the middle of a line."""
        self._line(self._rest)
        return self._tree.end()

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        node = json.loads(line)
        try:
            if node["struct_type"] == "snapshot":
                self.seen = True
            elif node["struct_type"] == "node" and node["type"] in ("dir", "file"):
                self._node(node["path"], node["type"] == "dir", node)
        except (KeyError, TypeError) as error:
            raise ValueError(f"restic's list of files lacks {error}") from None

    def _node(self, path: str, is_folder: bool, node: dict[str, str | int]) -> None:
        if not path.startswith("/"):
            raise ValueError("restic's list of files holds a path that does not begin with /")
        if is_folder:
            self._tree.folder(path)
        elif "\ufffd" in path:  # what restic writes in the place of bytes that are no UTF-8
            self.left.append(f"{plain(path, 300)}: its name is not UTF-8")
        else:
            self._tree.file(Entry(path, int(node.get("size", 0)), moment(str(node["mtime"]))))
