"""What an incident left, looked at past drbook: files, rows in a target's own files, the record's chain."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import IO

from drbook.app.places import JOURNAL, Home, listed
from drbook.core.errors import DrbookError
from drbook.core.signals import finish
from drbook.journal.reader import verify
from drbook.providers.pgserver import server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.process import run

_COUNT = (
    "DO $$ DECLARE one record; held bigint; BEGIN "
    "FOR one IN SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' LOOP "
    "EXECUTE format('SELECT count(*) FROM ONLY %I.%I', one.nspname, one.relname) INTO held; "
    "RAISE LOG 'holds % in %.%', held, one.nspname, one.relname; END LOOP; END $$\n"
)
_HELD = re.compile(r"LOG:  holds (\d+) in (.+)$")
_LONGEST = timedelta(minutes=5)


def listing(place: Path) -> Mapping[str, str]:
    """Every file below it with its size and the time of its last write; empty where nothing is there."""
    found = {}
    for path in sorted(place.rglob("*")):
        seen = path.lstat()
        found[str(path)] = f"{seen.st_size} bytes, written {seen.st_mtime_ns}"
    if place.exists():
        found[str(place)] = "there"
    return found


def rows_in(target: Path, tools: PgTools, database: str) -> Mapping[str, int] | None:
    """`schema.table` → rows in a cluster that does not run, asked without its server, its logins or its own
    settings; None where they cannot be counted."""
    argv: list[str | Path] = [tools.path("postgres"), "--single", "-D", target / "data"]
    for setting in (
        "lc_messages=C",
        "exit_on_error=on",
        "enable_indexonlyscan=off",
        "log_destination=stderr",
    ):
        argv += ["-c", setting]
    found: dict[str, int] = {}

    def on_line(stream: str, line: str) -> None:
        if stream == "err" and (held := _HELD.search(line)):
            found[held.group(2)] = int(held.group(1))

    try:
        done = finish(
            run(
                [*argv, database],
                cwd=target,
                run_as=server_user(),
                timeout=_LONGEST,
                feed=lambda stream: _write(stream, _COUNT),
                on_line=on_line,
            )
        )
    except DrbookError:
        return None
    return found if done.exit_code == 0 else None


def _write(stream: IO[bytes], text: str) -> None:
    stream.write(text.encode())


def whats_wrong(home: Path) -> str:
    """What is wrong with the chain of the record there; empty where it is whole or there is none. A last line
    that was not finished is no damage."""
    for folder in listed(Home(home)):
        try:
            checked = verify(folder / JOURNAL)
        except DrbookError as error:
            return error.what
        if checked.problem:
            return checked.problem
    return ""
