"""The write lease: the only way to a writing connection, proven on that very connection."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import sql

from drbook.core.errors import StepFailed
from drbook.core.freshness import Answer, prove_empty, prove_same_target
from drbook.core.ports import Cancel
from drbook.core.refusals import refused
from drbook.core.targets import DatabaseRef, Target
from drbook.core.values import plain
from drbook.providers import pgsession
from drbook.providers.pgidentity import CONTENTS, answer, contents, pinned
from drbook.providers.pgsession import Connection
from drbook.providers.pgwriting import writing

_MADE_IN = " of a "


def mark(nonce: str, mode: str = "") -> str:
    """The comment that a target database carries. What follows the nonce is the mode that it was made in."""
    return f"drbook target {nonce}" + (f"{_MADE_IN}{mode}" if mode else "")


def mode_marked(comment: str, nonce: str) -> str | None:
    """The mode that a comment tells, empty where it tells none, as those of earlier versions; None where it is not
    this target's."""
    own, _, mode = comment.partition(_MADE_IN)
    return mode if own == mark(nonce) else None


@contextmanager
def lease(
    target: Target,
    environment: Mapping[str, str],
    cancel: Cancel,
    login: DatabaseRef | None = None,
) -> Iterator[Connection]:
    """A writing connection to the target: the same that was created, marked, and still empty; with
    the login that loads where no other is asked for.

    Raises Refused where something else answers there, or somebody put something into it.
    """
    with proven(
        target, environment, cancel, login or target.loader or target.connect
    ) as connection:
        prove_empty(contents(connection), target.ignored, f"The target {target.name}")
        yield connection


@contextmanager
def proven(
    target: Target, environment: Mapping[str, str], cancel: Cancel, ref: DatabaseRef
) -> Iterator[Connection]:
    """A connection that may write, to the same target that was created, whatever is in it by now.
    Raises Refused where something else answers there, StepFailed where nobody does."""

    def gone(said: str) -> StepFailed:
        return StepFailed(
            f"The target {target.name} does not answer: {said}",
            means="Nothing more was written to it.",
            next="Run the restore step again; it makes another target.",
            code="target-gone",
        )

    with writing(ref, environment, cancel, gone) as connection:
        prove_same_target(target, asked(connection, f"target {target.name}"))
        _marked(connection, target)
        yield connection


def asked(connection: Connection, shown: str) -> Answer:
    """What a connection says about itself. Raises Refused where it does not say."""
    try:
        return answer(connection)
    except (psycopg.Error, ValueError) as error:
        why = pgsession.said(error) if isinstance(error, psycopg.Error) else "no such identifier"
        raise refused(
            "target-identity-unknown",
            f"{plain(shown, 200)} does not say who it is: {why}",
            compared="nothing: it did not answer",
        ) from None


_MARK = (
    f"SELECT split_part(shobj_description(oid, 'pg_database'), '{_MADE_IN}', 1) FROM pg_database"
    " WHERE datname = current_database()"
)

_SET = "SELECT current_setting('drbook.target', true)"


def _marked(connection: Connection, target: Target) -> None:
    by_setting = target.marked == "setting"
    expected = target.nonce if by_setting else mark(target.nonce)
    with pinned(connection):
        row = connection.execute(_SET if by_setting else _MARK).fetchone()
    if row is None or row[0] != expected:
        raise refused(
            "target-changed",
            f"The database {plain(target.identity.database, 63)} does not carry the mark of target "
            f"{target.name}: it is not the one that this incident created, or somebody changed it.",
            compared=f"the {'server' if by_setting else 'database'}'s {target.marked} with the nonce of this "
            "attempt",
        )


class Guard:
    """SQL that goes first into a tool's own connection, and fails on anything but the target.

    `token` is in its complaint, so that no text of a dump can pass for it.
    """

    def __init__(self, target: Target) -> None:
        self.token = secrets.token_hex(16)
        self._target = target

    def complained(self, text: str) -> bool:
        """Whether a tool's complaints are the guard's."""
        return self.token in text

    def statement(self) -> str:
        """One statement; a failing one ends the tool, which stops at the first error.

        Names are looked for in `pg_catalog` alone while it asks, and as before afterwards. From then on
        the server looks whether its client is still there, where it can (PostgreSQL 14 on Linux).
        """
        identity = self._target.identity
        return (
            sql.SQL(
                "DO $drbook$ DECLARE path text := pg_catalog.current_setting('search_path');"
                " BEGIN PERFORM pg_catalog.set_config('search_path', '', true); IF"
                " (SELECT system_identifier::text FROM pg_control_system()) IS DISTINCT FROM {system}"
                " OR (SELECT oid::text FROM pg_database WHERE datname = current_database())"
                " IS DISTINCT FROM {oid}"
                " OR (" + _MARK + ") IS DISTINCT FROM {mark}"
                " OR pg_is_in_recovery()"
                " OR EXISTS (SELECT 1 FROM (" + CONTENTS + ") held WHERE NOT of_extension"
                " AND coalesce(schema <> ALL ({ignored}::text[]), true)"
                " AND NOT (kind = 'schema' AND name = ANY ({ignored}::text[])))"
                " THEN RAISE EXCEPTION 'drbook: this is not the target {token}'; END IF;"
                " PERFORM pg_catalog.set_config('search_path', path, true);"
                " BEGIN PERFORM pg_catalog.set_config("
                "'client_connection_check_interval', '1s', false);"
                " EXCEPTION WHEN undefined_object OR invalid_parameter_value THEN NULL; END;"
                " END $drbook$;\n"
            )
            .format(
                system=sql.Literal(identity.system_identifier),
                oid=sql.Literal(str(identity.database_oid)),
                mark=sql.Literal(mark(self._target.nonce)),
                ignored=sql.Literal(list(self._target.ignored)),
                token=sql.SQL(self.token),
            )
            .as_string()
        )
