"""What is to be counted, and in which sessions."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from drbook.core.capture import Pace
from drbook.core.ports import Cancel
from drbook.core.structure import Depth
from drbook.core.targets import DatabaseRef
from drbook.providers.pgsession import Connection, guarded


@dataclass(frozen=True, slots=True)
class Counting:
    """What is to be counted, and how."""

    database: DatabaseRef
    environment: Mapping[str, str]
    cancel: Cancel
    ignore: Sequence[str] = ()
    content: bool = False
    pace: Pace = field(default_factory=Pace)
    refuse_strong: bool = False
    structure: Depth = "none"
    ranges: bool = False

    @contextmanager
    def session(self, snapshot: str | None = None) -> Iterator[Connection]:
        with guarded(
            self.database,
            self.environment,
            self.cancel,
            timeout=self.pace.statement_timeout,
            refuse_strong=self.refuse_strong,
            snapshot=snapshot,
        ) as connection:
            yield connection
