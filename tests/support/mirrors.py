"""An incident on disk that is to be mirrored, and mirrors that fail on demand."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drbook.core import events as ev
from drbook.core.events import Event, Mode
from drbook.journal.codec import digest
from drbook.journal.reader import read
from drbook.journal.writer import Writer
from drbook.mirror.config import S3Mirror
from drbook.mirror.copier import Copier, Writing
from drbook.mirror.place import MirrorConflict, MirrorDown, Place, Stored
from drbook.mirror.status import MirrorState
from drbook.providers.hiding import Secret

if TYPE_CHECKING:
    from support.s3 import S3Server

INCIDENT = "20260424-211912-x-7f3a"
RUNBOOK = b"drbook: 1\ntitle: T\nsteps: [{id: a, phase: close, do: note, with: {text: t}}]\n"
SECRETS = {"env:key": "admin", "env:secret": "admin-secret"}


def secret(reference: str) -> Secret:
    return Secret(SECRETS[reference])


def bucket_mirror(server: "S3Server", name: str, **fields: Any) -> S3Mirror:
    given: dict[str, Any] = {
        "bucket": name,
        "prefix": "record",
        "endpoint": server.endpoint,
        "access_key": "env:key",
        "secret_key": "env:secret",
    }
    return S3Mirror.model_validate(given | fields)


class Recorded:
    """An incident's folder with its journal."""

    def __init__(self, folder: Path, host: str = "recovery") -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.host = host
        self.journal = folder / "journal.jsonl"
        (folder / "runbook.yaml").write_bytes(RUNBOOK)
        self.put(
            ev.IncidentOpened(
                incident=INCIDENT,
                mode=Mode.DRILL,
                title="T",
                runbook_sha256=digest(RUNBOOK),
                runbook_file="r.yaml",
                drbook_version="0",
                steps=("a",),
            )
        )

    def put(self, *events: Event) -> None:
        with Writer(self.journal, mode=Mode.DRILL, host=self.host) as writer:
            for event in events:
                writer.append("ops", event)

    def note(self, count: int = 1) -> None:
        self.put(*(ev.NoteAdded(text=f"note {number}") for number in range(count)))

    @property
    def lines(self) -> list[bytes]:
        return self.journal.read_bytes().splitlines(keepends=True)

    @property
    def digests(self) -> list[str]:
        return [digest(line[:-1]) for line in self.lines]

    @property
    def count(self) -> int:
        return len(read(self.journal))

    def writing(self, epoch: int = 0, token: str = "") -> Writing:
        return Writing(self.journal, self.folder / "runbook.yaml", epoch, token)

    def copier(self, opener: Callable[[], Place], **more: Any) -> Copier:
        """A copier with short waits that was told of all records."""
        given: dict[str, Any] = {"poll": 0.02, "first_wait": 0.01}
        epoch, token = more.pop("epoch", 0), more.pop("token", "")
        made = Copier(
            "the mirror",
            opener,
            self.writing(epoch, token),
            lambda: datetime.now(UTC),
            **(given | more),
        )
        made.written(self.count)
        made.start()
        return made

    def mirror_to(self, place: Place) -> MirrorState:
        """Copy everything, and say how it ended."""
        made = self.copier(lambda: place)
        until(lambda: not made.state.waits)
        made.close()
        made.join(time.monotonic() + 20)
        return made.state


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


class Memory:
    """A place in memory: honest, unless it is told to fail or to lie."""

    location, note = "memory", ""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.down = ""
        """Why it does not answer; it does while this is empty."""
        self.overwrites = False
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda name: None
        """Called before something is created."""

    def create(self, name: str, data: bytes) -> bool:
        self._answer(f"create {name}")
        self.before(name)
        theirs = self.objects.get(name)
        if theirs is not None and not self.overwrites:
            if theirs != data:
                raise MirrorConflict(f"memory holds other bytes as {name}.", theirs)
            return False
        self.objects[name] = data
        return True

    def listed(self, folder: str) -> Sequence[Stored]:
        self._answer(f"list {folder}")
        found = sorted(name for name in self.objects if name.startswith(folder))
        return [Stored(name, len(self.objects[name])) for name in found]

    def read(self, stored: Stored, limit: int = 1 << 30) -> bytes:
        self._answer(f"read {stored.name}")
        if stored.name not in self.objects:
            raise MirrorDown(f"{stored.name} is not there")
        return self.objects[stored.name][: limit + 1]

    def close(self) -> None:
        self.calls.append("close")

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.down:
            raise MirrorDown(self.down)

    @property
    def records(self) -> list[bytes]:
        return [data for name, data in sorted(self.objects.items()) if name.startswith("records/")]
