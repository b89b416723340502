"""Running a backup tool that keeps dumps in a place of its own: only what reads, and what its failures mean."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from drbook.core.errors import Interrupted, StepFailed
from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Signal, finish
from drbook.core.values import plain
from drbook.providers.child import Environment
from drbook.providers.hiding import scrub
from drbook.providers.pgtools import installed
from drbook.providers.process import Take, run

ANSWER = timedelta(minutes=2)
"""For what reads little; restic itself tries ten times, which takes 45 seconds."""
LISTING = timedelta(minutes=15)
"""For the files of one snapshot."""


class Failed(Exception):
    """A tool did not do what it was asked. `fact` is set where its words are about what is stored there,
    and not about the way to it: another copy may be well."""

    def __init__(self, why: str, advice: str, fact: ByteFact | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice
        self.fact = fact

    def show(self) -> str:
        return f"{self.why}; {self.advice[0].lower()}{self.advice[1:]}".rstrip(".")


def unfit(state: str, reason: str) -> Failed:
    """What is stored is `damaged`, or `unknown`."""
    fact = ByteFact.model_validate({"state": state, "reason": reason})
    return Failed(reason, "Take another copy, and keep this repository as it is", fact)


@dataclass(slots=True)
class Complaints:
    """What a tool says on its standard error; the last 16 KiB of it."""

    tool: str
    text: str = ""

    def take(self, line: str) -> Signal | None:
        """What of it is for people. Raises Failed where enough was heard."""
        self.text = f"{self.text}{line}\n"[-16384:]
        return self.show(line)

    def show(self, line: str) -> Signal | None:
        said = plain(scrub(line), 500)
        return Output(f"{self.tool}: {said}") if said.strip() else None


class Tool(ABC):
    """One installed program with one place that it keeps copies in."""

    name: str
    """Of the program."""
    package: str
    """What is to be installed."""
    cancel: Cancel
    where: str
    """The place, for people."""

    @property
    @abstractmethod
    def local(self) -> bool:
        """True where the place is a directory that this machine sees."""

    @property
    @abstractmethod
    def resource(self) -> str | None:
        """What holds the place, where its name says so: a directory, or a bucket."""

    @abstractmethod
    def at_hand(self, *arguments: str) -> AbstractContextManager[tuple[list[str], Environment]]:
        """The whole command line and its environment, good within the context. Raises Failed."""

    @abstractmethod
    def failure(self, code: int, text: str) -> Failed:
        """Why it ended with this exit code and these complaints."""

    def complaints(self) -> Complaints:
        return Complaints(self.name)

    def program(self) -> str:
        """Raises Failed where it is not installed."""
        found = installed(self.name)
        if found is None:
            raise Failed(
                f"unavailable: {self.name} is not installed here", f"Install {self.package}"
            )
        return found

    def ask(self, *arguments: str, take: Take, timeout: timedelta = ANSWER) -> str:
        """Run it to its end; what it complained of although it ended well. Raises Failed, Cancelled; an
        error of `take` as it is."""
        complaints = self.complaints()
        try:
            with self.at_hand(*arguments) as (argv, env):
                done = finish(
                    run(
                        argv,
                        env=env,
                        cancel=self.cancel,
                        timeout=timeout,
                        take=take,
                        on_line=lambda _, line: complaints.take(line),
                    )
                )
        except StepFailed as error:
            self.cancel.raise_if_requested()
            advice = "Look at the repository's place, its network and its locks"
            if isinstance(error, Interrupted):
                raise Failed(error.what.rstrip("."), advice) from None
            install = f"Install {self.package}"
            raise Failed(error.what.rstrip("."), error.next or install) from None
        if done.exit_code != 0:
            raise self.failure(done.exit_code, complaints.text)
        return complaints.text


Confirm = Callable[[], None]
"""Looks once more whether what was read is what was meant. Raises Failed or Changed."""
