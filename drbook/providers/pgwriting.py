"""A connection that may write; whom it leads to is for its lease to prove."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg

from drbook.core.errors import StepFailed
from drbook.core.ports import Cancel
from drbook.core.targets import DatabaseRef
from drbook.providers import pgsession
from drbook.providers.pgsession import Connection


@contextmanager
def writing(
    ref: DatabaseRef,
    environment: Mapping[str, str],
    cancel: Cancel,
    gone: Callable[[str], StepFailed],
) -> Iterator[Connection]:
    """Ended where the step is cancelled; names mean PostgreSQL's own catalogue alone. Raises `gone` of what
    libpq says where nobody answers."""
    try:
        connection = pgsession.connect(ref, environment, autocommit=True, read_only=False)
    except psycopg.OperationalError as error:
        raise gone(pgsession.said(error)) from None
    with connection:
        unregister = cancel.on_request(lambda: connection.cancel_safe(timeout=5))
        try:
            connection.execute("SET search_path = pg_catalog")
            yield connection
        finally:
            unregister()
