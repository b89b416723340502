"""The one door that changes something at a standby: its replay is paused, and nothing else.

Implements `core.ports.Standbys`. The statement is fixed, its session only reads, and the server is asked on
that very connection whether it is a standby and the one of the runbook.
"""

from collections.abc import Sequence

import psycopg

from drbook.core.errors import CouldNotVerify, NotExercised, Refused, StepFailed, UsageError
from drbook.core.points import SourceConfig
from drbook.core.ports import Cancel
from drbook.core.standby import PAUSE, Replay
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.providers.pgsession import broke_off, guarded, said
from drbook.providers.secrets import Secrets
from drbook.providers.sources.standby import StandbySource
from drbook.providers.standbyask import ANSWER, ask, replay_of, run_of


class StandbyDoor:
    """`may_pause` is the mode's word; with `readers_only` a login that is more than a reader is refused."""

    def __init__(
        self,
        configs: Sequence[SourceConfig],
        secrets: Secrets,
        cancel: Cancel,
        *,
        may_pause: bool,
        readers_only: bool,
    ) -> None:
        self._configs = {each.id: each for each in configs if isinstance(each, StandbySource)}
        self._secrets = secrets
        self._cancel = cancel
        self._may_pause = may_pause
        self._readers_only = readers_only

    def look(self, source: str) -> Replay:
        database = self._config(source).database
        return ask(database, self._secrets, self._cancel, refuse_strong=self._readers_only)

    def pause(self, source: str) -> None:
        if not self._may_pause:
            raise NotExercised(
                f"Replay of the standby {plain(source, 100)} is paused in a live incident only.",
                means="It was not asked, and replays on.",
                next=f"To try it in a drill, pause it by hand: {PAUSE}",
            )
        config = self._config(source)
        ref = config.control or config.database
        with guarded(ref, self._secrets, self._cancel, timeout=ANSWER) as connection:
            try:
                replay_of(connection, ref, self._cancel)
                run = run_of(connection)
                if config.control is not None and run != self._run_of(config.database):
                    raise _another(config)
                connection.execute(PAUSE.encode())
            except CouldNotVerify as error:
                raise Refused(
                    error.what, means=f"It was not asked to pause. {error.means}", next=error.next,
                    code=error.code,
                ) from None  # fmt: skip
            except psycopg.errors.InsufficientPrivilege as error:
                raise _not_allowed(ref, said(error)) from None
            except psycopg.Error as error:
                raise broke_off(connection, error, self._cancel, "paused its replay") from None

    def _run_of(self, ref: DatabaseRef) -> tuple[object, ...]:
        with guarded(ref, self._secrets, self._cancel, timeout=ANSWER) as connection:
            return run_of(connection)

    def _config(self, source: str) -> StandbySource:
        found = self._configs.get(source)
        if found is None:
            known = ", ".join(plain(each, 60) for each in self._configs) or "none"
            raise UsageError(
                f"There is no standby {plain(source, 100)} under `backups:`.",
                means="Nothing was asked.",
                next=f"Sources of `kind: standby` in this runbook: {known}.",
                code="no-such-source",
            )
        return found


def _another(config: StandbySource) -> Refused:
    return Refused(
        f"`control` of {plain(config.id, 100)} leads to another server than `database`.",
        means="What would have been paused is not what is read. It was not asked to pause.",
        next="Mend the source in the runbook; meanwhile pause the standby by hand: " + PAUSE,
        code="another-server",
    )


def _not_allowed(ref: DatabaseRef, why: str) -> StepFailed:
    return StepFailed(
        f"The login for {plain(ref.show(), 200)} may not pause its replay: {why}",
        means="It replays on, and the loss may reach it.",
        next=f"Now: run `{PAUSE}` there as a superuser, then run this step again. In calm times: GRANT EXECUTE "
        "ON FUNCTION pg_wal_replay_pause() to a login in production, and name it under `control:`.",
        code="pause-denied",
    )
