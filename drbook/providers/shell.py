"""The `shell` action's door: what a runbook's command may do in which mode."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from drbook.core.errors import NotExercised
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Working
from drbook.core.targets import ProcessResult
from drbook.core.values import plain, plain_lines
from drbook.providers import secrets
from drbook.providers.process import run
from drbook.providers.scrub import Scrubber

Change = Literal["reads", "target", "outside"]


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
        given = _resolved(secrets or {}, self._environment)
        # Here even a short secret is taken out: this command was given it, and may well print it.
        net = Scrubber(given.values(), however_short=True)

        def told(stream: str, line: str) -> Output | None:
            return Output(plain_lines(net.clean(line))[:500]) if line.strip() else None

        done = yield from run(argv, env=given, cancel=self._cancel, timeout=timeout, on_line=told)
        return ProcessResult(
            argv=tuple(plain(part, 500) for part in argv),
            exit_code=done.exit_code,
            seconds=int(done.seconds),
            stdout=plain_lines(net.clean(done.stdout)),
            stderr=plain_lines(net.clean(done.stderr)),
        )


def _resolved(references: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: secrets.resolve(reference, environment).reveal()
        for name, reference in references.items()
    }
