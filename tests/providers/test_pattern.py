"""The clusters that tests are surrounded by are copies, and each is one of its own to PostgreSQL and to drbook."""

from pathlib import Path

from support.pattern import create
from support.pg import Postgres, drain

from drbook.providers.pgserver import ClusterServer
from drbook.providers.pgtools import PgTools

ASKED = """
SELECT system_identifier::text, (SELECT array_agg(oid || datname ORDER BY oid) FROM pg_database),
       (SELECT array_agg(name || setting ORDER BY name) FROM pg_settings WHERE source = 'configuration file')
FROM pg_control_system()
"""


def _told(server: ClusterServer, tools: PgTools) -> tuple[str, object, object]:
    drain(server.start({"fsync": "off"}))
    try:
        with Postgres(server, tools).connect("postgres") as connection:
            row = connection.execute(ASKED).fetchone()
            assert row is not None
            return row
    finally:
        server.stop()


def test_a_copy_is_a_cluster_of_its_own(tmp_path: Path, tools: tuple[PgTools, ...]) -> None:
    for chosen in (one for one in tools if one.has_server):
        servers = [
            ClusterServer(chosen, tmp_path / f"{name}-{chosen.major}", name=name)
            for name in ("one", "other", "made")
        ]
        for server in servers:
            server.make_folder()
        create(servers[0])
        create(servers[1])
        drain(servers[2].create())
        one, other, made = (_told(server, chosen) for server in servers)
        assert len({one[0], other[0], made[0]}) == 3
        assert one[1:] == other[1:] == made[1:]
        assert "ERROR" not in servers[0].log_tail() + servers[1].log_tail()
