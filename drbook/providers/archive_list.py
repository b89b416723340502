"""An archive's table of contents: what it holds, in which order, and which roles it speaks of."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from drbook.core.errors import StepFailed
from drbook.core.ports import Cancel
from drbook.core.signals import Signal, Working
from drbook.providers.archive import Archive, Meter, feed_of
from drbook.providers.archive_check import last_error
from drbook.providers.archive_needs import Needs, needs_in
from drbook.providers.pgtools import ENGLISH, PgTools
from drbook.providers.process import Completed, run


@dataclass(frozen=True, slots=True)
class Contents:
    """What `pg_restore --list` says."""

    source_major: int | None
    """Major version of the server that was dumped."""
    entries: tuple[str, ...]
    """The lines of the list, as `--use-list` reads them."""

    def ordered(self, first: Iterable[str]) -> tuple[str, ...]:
        """The entries with the data of some tables (`name` or `schema.name`) before other data."""
        wanted = set(first)
        data = [line for line in self.entries if " TABLE DATA " in line]
        early = [line for line in data if _table(line) & wanted]
        if not early:
            return self.entries
        rest = [line for line in self.entries if line not in set(early)]
        at = next((n for n, line in enumerate(rest) if " TABLE DATA " in line), len(rest))
        return (*rest[:at], *early, *rest[at:])


def _table(line: str) -> set[str]:
    """The table of a line like `3421; 0 16390 TABLE DATA public reservations postgres`."""
    schema, name = [*line.split(" TABLE DATA ", 1)[1].split(" "), ""][:2]
    return {name, f"{schema}.{name}"}


def contents(archive: Archive, tools: PgTools, cancel: Cancel) -> Working[Contents]:
    """The archive's own list. Raises StepFailed where it cannot be read."""
    done = yield from _listed(archive, tools, ["--list"], cancel)
    match = re.search(r"Dumped from database version:? (\d+)", done.stdout)
    entries = tuple(line for line in done.stdout.split("\n") if line and not line.startswith(";"))
    return Contents(int(match[1]) if match else None, entries)


def needs(archive: Archive, listing: Path, tools: PgTools, cancel: Cancel) -> Working[Needs]:
    """What the archive needs; `listing` is a file with its `needy` entries."""
    done = yield from _listed(archive, tools, ["-f", "-", f"--use-list={listing}"], cancel)
    return needs_in(done.stdout)


def needy(entries: Iterable[str]) -> list[str]:
    """The entries that name roles, and those that ask for extensions and publications."""
    kinds = r" (?:ACL|DEFAULT ACL|POLICY|USER MAPPING|EXTENSION|PUBLICATION\b.*?) "
    return [line for line in entries if re.search(kinds, line)]


def source_major_of_plain(head: bytes) -> int | None:
    """The server's major version that a plain dump names in its head."""
    match = re.search(rb"Dumped from database version (\d+)", head)
    return int(match[1]) if match else None


def _listed(
    archive: Archive, tools: PgTools, options: list[str], cancel: Cancel
) -> Working[Completed]:
    """Run pg_restore and keep all that it prints: lists are longer than a stream's kept tail."""
    found: list[str] = []

    def keep(stream: str, line: str) -> Signal | None:
        if stream == "out":
            found.append(line)
        return None

    argv: list[str | Path] = [tools.path("pg_restore"), *options]
    if archive.needs_feed:
        feed = feed_of(archive, Meter("read the archive's list", archive.path.stat().st_size))
        done = yield from run(argv, env=ENGLISH, cancel=cancel, feed=feed, on_line=keep)
    else:
        done = yield from run([*argv, archive.path], env=ENGLISH, cancel=cancel, on_line=keep)
    if done.exit_code != 0:
        raise StepFailed(
            f"The archive's list cannot be read: {last_error(done)}",
            means="Nothing was loaded.",
            next="Choose another recovery point, or install newer PostgreSQL programs.",
            code="archive",
        )
    return Completed(done.exit_code, "\n".join(found), done.stderr, done.seconds)
