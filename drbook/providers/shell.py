"""The `shell` action's door: what a runbook's command may do in which mode."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from drbook.core.errors import NotExercised
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Working
from drbook.core.targets import ProcessResult
from drbook.core.values import plain, plain_lines
from drbook.providers.forms import SHORTEST
from drbook.providers.hiding import MARGIN, Known, scrub
from drbook.providers.process import TAIL, run
from drbook.providers.secrets import resolve

Change = Literal["reads", "target", "outside"]

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
        """Run it to its end. Raises NotExercised where the mode does not let it pass."""
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

        def told(stream: str, line: str) -> Output | None:
            return (
                Output(plain_lines(hidden(line))[:500]) if line.strip() and not withheld else None
            )

        def hidden(text: str) -> str:
            return scrub(own.scrub(text))

        def shown(text: str) -> str:
            if withheld and text:
                return WITHHELD
            # Of a text that was cut, what could be the rest of a secret goes too.
            cut = len(text.encode()) >= TAIL
            return plain_lines(hidden(text)[MARGIN if cut else 0 :])

        done = yield from run(argv, env=given, cancel=self._cancel, timeout=timeout, on_line=told)
        return ProcessResult(
            argv=tuple(plain(scrub(part), 500) for part in argv),
            exit_code=done.exit_code,
            seconds=int(done.seconds),
            stdout=shown(done.stdout),
            stderr=shown(done.stderr),
        )
