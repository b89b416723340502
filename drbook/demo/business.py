"""The rental business in PostgreSQL: a schema, and the trade of any stretch of time.

Everything is derived from row numbers, so that two worlds of the same size hold the same business.
"""

from datetime import datetime, timedelta
from importlib.resources import files
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

HISTORY = timedelta(days=90)
"""How long the business has been trading."""

_SHARES = {
    "customers": 0.10,
    "reservations": 0.28,
    "payments": 0.24,
    "vehicle_positions": 0.28,
    "audit_events": 0.10,
}
"""Each table's share of the rows that trade adds."""

_FOUND: LiteralString = """
INSERT INTO tenants (name, country, created_at)
SELECT (ARRAY['Alder','Birch','Cedar','Dune','Ember','Fjord','Grove','Harbour'])[n] || ' Rentals',
       (ARRAY['DE','FR','ES','IT','NL','NO','PL','PT'])[n], %(since)s
  FROM generate_series(1, 8) n;
"""
_BRANCHES: LiteralString = """
INSERT INTO branches (tenant_id, city, created_at)
SELECT 1 + n %% 8, (ARRAY['Central','Airport','Harbour','North'])[1 + n %% 4], %(since)s
  FROM generate_series(1, 24) n
"""
_VEHICLES: LiteralString = """
INSERT INTO vehicles (branch_id, plate, class, created_at)
SELECT 1 + n %% 24, 'RB-' || lpad(n::text, 6, '0'),
       (ARRAY['small','compact','estate','van'])[1 + n %% 4], %(since)s
  FROM generate_series(1, %(count)s) n
"""
_TRADE: dict[str, LiteralString] = {
    "customers": """
INSERT INTO customers (tenant_id, name, email, created_at)
SELECT 1 + n %% 8, 'Customer ' || (%(before)s + n), 'c' || (%(before)s + n) || '@mail.example',
       %(since)s + (%(until)s - %(since)s) * (n::float8 / (%(count)s + 1))
  FROM generate_series(1, %(count)s) n
""",
    "reservations": """
INSERT INTO reservations (vehicle_id, customer_id, state, pickup_at, return_at, total_cents, created_at)
SELECT 1 + abs(hashint4(n + %(before)s)) %% (SELECT count(*) FROM vehicles),
       1 + abs(hashint4(n * 7 + %(before)s)) %% (SELECT count(*) FROM customers),
       (enum_range(NULL::reservation_state))[1 + abs(hashint4(n)) %% 5],
       t + interval '1 day' * (n %% 20), t + interval '1 day' * (n %% 20 + 1 + n %% 9),
       2900 + abs(hashint4(n + 3)) %% 90000, t
  FROM generate_series(1, %(count)s) n,
       LATERAL (SELECT %(since)s + (%(until)s - %(since)s) * (n::float8 / (%(count)s + 1)) AS t) x
""",
    "payments": """
INSERT INTO payments (reservation_id, provider_id, amount_cents, created_at)
SELECT r.id, 'pi_' || md5((%(before)s + n)::text), r.total_cents,
       %(since)s + (%(until)s - %(since)s) * (n::float8 / (%(count)s + 1))
  FROM generate_series(1, %(count)s) n
  JOIN reservations r ON r.id = 1 + (%(before)s + n) %% (SELECT count(*) FROM reservations)
""",
    "vehicle_positions": """
INSERT INTO vehicle_positions (vehicle_id, latitude, longitude, created_at)
SELECT 1 + abs(hashint4(n + %(before)s)) %% (SELECT count(*) FROM vehicles),
       36 + abs(hashint4(n)) %% 2500000 / 100000.0, abs(hashint4(n + 1)) %% 2000000 / 100000.0,
       %(since)s + (%(until)s - %(since)s) * (n::float8 / (%(count)s + 1))
  FROM generate_series(1, %(count)s) n
""",
    "audit_events": """
INSERT INTO audit_events (actor, detail, created_at)
SELECT 'user-' || n %% 40, jsonb_build_object('action', 'edit', 'row', n),
       %(since)s + (%(until)s - %(since)s) * (n::float8 / (%(count)s + 1))
  FROM generate_series(1, %(count)s) n
""",
}


class Business:
    """The business behind one connection, about `rows` rows large once its history is told."""

    def __init__(self, connection: psycopg.Connection[TupleRow], rows: int) -> None:
        self._connection = connection
        self._rows = rows

    def found(self, since: datetime) -> None:
        """Schema, agencies, branches and vehicles."""
        schema = files("drbook.demo").joinpath("schema.sql").read_text(encoding="utf-8")
        with self._connection.transaction():
            self._connection.execute(schema.encode())
            self._connection.execute(_FOUND, {"since": since})
            self._connection.execute(_BRANCHES, {"since": since})
            vehicles = max(20, self._rows // 200)
            self._connection.execute(_VEHICLES, {"since": since, "count": vehicles})

    def trade(self, since: datetime, until: datetime) -> None:
        """What customers did in a stretch of time, in proportion to its length."""
        share = (until - since) / HISTORY
        with self._connection.transaction():
            for table, part in _SHARES.items():
                # Not how many there are: of deleted rows the numbers are not given again.
                last = f"SELECT coalesce(max(id), 0) FROM {table}"
                row = self._connection.execute(last.encode()).fetchone()
                before = row[0] if row else 0
                count = max(1, round(self._rows * part * share))
                values = {"since": since, "until": until, "count": count, "before": before}
                self._connection.execute(_TRADE[table], values)
