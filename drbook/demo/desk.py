"""A counter of the business that books and hands over cars, whatever happens to the rest: production lives on."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from drbook.core.errors import StepFailed
from drbook.core.values import plain

PAUSE = 0.1
"""Seconds between two bookings."""
FEW = 5

_BOOK: LiteralString = """
WITH guest AS (
    INSERT INTO customers (tenant_id, name, email, created_at)
    SELECT 1, 'Walk-in ' || n, 'walk-in' || n || '@mail.example', now()
      FROM (SELECT 1 + max(id) AS n FROM customers) t
    RETURNING id, created_at)
INSERT INTO reservations (vehicle_id, customer_id, state, pickup_at, return_at, total_cents, created_at)
SELECT (SELECT min(id) FROM vehicles), id, 'confirmed', created_at + interval '1 day',
       created_at + interval '3 days', 9900, created_at
  FROM guest
"""
_HAND_OVER: LiteralString = """
UPDATE reservations SET state = 'picked_up'
 WHERE id = (SELECT max(id) FROM reservations
              WHERE state = 'confirmed' AND created_at < now() - interval '1 day')
"""


class Desk:
    """A booking and a car handed over, again and again, on a connection of its own."""

    def __init__(self, connect: Callable[[], psycopg.Connection[TupleRow]]) -> None:
        self._connect = connect
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="desk", daemon=True)
        self._failed = ""
        self.bookings = 0
        """How many it has made."""

    def open(self, until: datetime) -> None:
        """Begin, and go on until it is closed. Returns when a few bookings lie behind that moment."""
        self._thread.start()
        while datetime.now(UTC) <= until:
            time.sleep(PAUSE)
        enough = self.bookings + FEW
        while self.bookings < enough and self._thread.is_alive():
            time.sleep(PAUSE)

    def close(self) -> None:
        """Make no more. Raises StepFailed where it could not book: a world whose production stood still is
        another one than its scenario tells of."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._failed:
            raise StepFailed(f"The demo's desk could not go on booking: {self._failed}")

    def _work(self) -> None:
        try:
            with self._connect() as connection:
                while not self._closed.is_set():
                    connection.execute(_BOOK)
                    connection.execute(_HAND_OVER)
                    self.bookings += 1
                    self._closed.wait(PAUSE)
        except psycopg.Error as error:
            self._failed = plain(str(error), 300)
