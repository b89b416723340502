"""The `shell` action's door: what a runbook's command may do in which mode."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from drbook.core.errors import Cancelled, Interrupted, NotExercised
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Working
from drbook.core.targets import ProcessResult
from drbook.core.values import plain, plain_lines
from drbook.providers.forms import SHORTEST
from drbook.providers.hiding import MARGIN, Known, scrub
from drbook.providers.process import TAIL, run
from drbook.providers.secrets import resolve

Change = Literal["reads", "target", "outside"]


@dataclass(slots=True)
class _Heard:
    """The last lines of a stream, about TAIL bytes of them, for a command that is stopped."""

    lines: deque[str] = field(default_factory=deque)
    size: int = 0
    cut: bool = False

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.size += len(line.encode()) + 1
        while self.size > TAIL and len(self.lines) > 1:
            self.size -= len(self.lines.popleft().encode()) + 1
            self.cut = True

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


WITHHELD = (
    f"[not kept: a secret of this step has fewer than {SHORTEST} characters and cannot be told from "
    "other text]"
)


class DeclaredProcesses:
    """Implements `core.ports.Processes`. `allowed` is what the mode lets pass, by the runbook's word."""

    def __init__(
        self, environment: Mapping[str, str], cancel: Cancel, *, allowed: frozenset[Change]
    ) -> None:
        self._environment = environment
        self._cancel = cancel
        self._allowed = allowed

    def run(
        self,
        argv: Sequence[str],
        *,
        declared: Change,
        secrets: Mapping[str, str] | None = None,
        timeout: timedelta | None = None,
    ) -> Working[ProcessResult]:
        """Run it to its end. Raises NotExercised where the mode does not let it pass; where it is stopped,
        the error knows what it had printed."""
        if declared not in self._allowed:
            changes = {"target": "the target", "outside": "things outside", "reads": "nothing"}
            raise NotExercised(
                f"The command was not run: it changes {changes[declared]}, says the runbook, and this "
                "mode does not let that pass.",
                means="That it works is not proven.",
            )
        given = {
            name: resolve(reference, self._environment)
            for name, reference in (secrets or {}).items()
        }
        withheld = any(secret.short for secret in given.values())
        # This command was given them, and may well print one that elsewhere is an ordinary word.
        own = Known((secret.reveal() for secret in given.values()), words_too=True)
        heard = {"out": _Heard(), "err": _Heard()}

        def told(stream: str, line: str) -> Output | None:
            heard[stream].add(line)
            return (
                Output(plain_lines(hidden(line))[:500]) if line.strip() and not withheld else None
            )

        def hidden(text: str) -> str:
            return scrub(own.scrub(text))

        def shown(text: str, cut: bool = False) -> str:
            if withheld and text:
                return WITHHELD
            # Of a text that was cut, what could be the rest of a secret goes too.
            cut = cut or len(text.encode()) >= TAIL
            return plain_lines(hidden(text)[MARGIN if cut else 0 :])

        def result(code: int | None, seconds: float, stdout: str, stderr: str) -> ProcessResult:
            streams: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")
            both = zip(streams, heard.values(), strict=True)
            return ProcessResult(
                cut=tuple(name for name, stream in both if stream.cut),
                argv=tuple(plain(scrub(part), 500) for part in argv),
                exit_code=code,
                seconds=int(seconds),
                stdout=stdout,
                stderr=stderr,
            )

        begun = time.monotonic()
        try:
            done = yield from run(
                argv, env=given, cancel=self._cancel, timeout=timeout, on_line=told
            )
        except (Interrupted, Cancelled) as error:
            out, err = (shown(one.text, cut=one.cut) for one in heard.values())
            stopped = result(None, time.monotonic() - begun, out, err)
            error.found = stopped.model_dump(mode="json")
            raise
        return result(done.exit_code, done.seconds, shown(done.stdout), shown(done.stderr))
