"""What an action says while it works. The driver takes each signal before the action goes on.

`Progress` and `Output` are shown and forgotten. Every other signal is a fact for the record: the
driver writes it to the journal and syncs it *before* it resumes the generator, so that an effect
that follows a `ResourceIntended` cannot happen unrecorded.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from drbook.core.values import Json


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one labelled piece of work has come; `total` None where nobody knows."""

    label: str
    done: int
    total: int | None
    unit: str
    """`bytes`, or a plural noun like `tables`."""
    now: str = ""
    """What is being worked on."""


@dataclass(frozen=True, slots=True)
class Output:
    """One line that a tool or server printed, already safe to show."""

    text: str


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something reached that the record should know, in words and figures."""

    text: str
    data: Json = None
    artifacts: tuple[str, ...] = ()
    """Evidence that is on this disk by now, and is copied with the record."""


@dataclass(frozen=True, slots=True)
class ResourceIntended:
    """A resource is about to be created under this name; `nonce` is put into it."""

    kind: str
    name: str
    nonce: str
    location: str


@dataclass(frozen=True, slots=True)
class ResourceCreated:
    kind: str
    name: str
    location: str
    identity: Json = None


@dataclass(frozen=True, slots=True)
class ProcessStarted:
    """A launcher waits to run a program. `started` is the kernel's start time in clock ticks: pids are
    reused."""

    pid: int
    started: int
    argv: tuple[str, ...]
    """Without secrets: those travel in the environment or a 0600 file."""
    token: str = ""
    """Random; in the environment of all that comes of it."""


Signal = Progress | Output | Milestone | ResourceIntended | ResourceCreated | ProcessStarted
Recordable = Milestone | ResourceIntended | ResourceCreated | ProcessStarted

T = TypeVar("T")
Working = Generator[Signal, None, T]
"""Work that yields signals and returns a T."""


def finish(work: Working[T]) -> T:
    """Work to its end where nobody looks at its signals."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
