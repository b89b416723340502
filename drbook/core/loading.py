"""How an archive is loaded: the options that PostgreSQL's programs are always given.

Whoever starts the programs and whoever says beforehand what will be started read the same lines.
"""

import shlex

PG_RESTORE = ("--exit-on-error", "--no-owner", "--no-tablespaces", "--verbose")
PSQL = ("-X", "--single-transaction", "-v", "ON_ERROR_STOP=1")


def loads(user: str, dbname: str, archive: str, *, whole_server: bool) -> tuple[str, ...]:
    """The command lines that load `archive`: what it is, and so which of the two, is known once it is here.

    A server of drbook's own takes pg_restore's connection; on a given one all goes through psql, behind a
    statement that proves the place. Its password is never on a command line.
    """
    connect = shlex.quote(f"--dbname=user={user} dbname={dbname}")
    psql = shlex.join(("psql", *PSQL))
    restore = shlex.join(("pg_restore", *PG_RESTORE))
    direct = f"{restore} {connect} {archive}"
    piped = f"{restore} --file=- {archive} | {psql} {connect} --file=-"
    return (
        direct if whole_server else piped,
        f"{psql} {connect} --file=-   # where the dump is plain SQL",
    )
