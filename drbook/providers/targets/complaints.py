"""What a loading program complained of: every line heard, counted by kind, kept for the record.

A program's own exit code does not decide alone: one that reports an error and ends well has failed.
"""

import re
from collections.abc import Mapping
from typing import Literal

from drbook.core.errors import StepFailed
from drbook.core.refusals import refused
from drbook.core.signals import Milestone, Working
from drbook.core.targets import Complaint, Target
from drbook.core.values import Json, counted, plain
from drbook.providers.hiding import scrub
from drbook.providers.process import Completed
from drbook.providers.targets.lease import Guard
from drbook.providers.targets.tools import advice

Level = Literal["error", "warning"]

KEPT = 20
"""Of how many complaints of one kind the first words are kept; all are counted."""

_LINE = re.compile(
    r"(?:pg_restore|psql)(?::[^:]{1,200}:\d+)?: +"
    r"(?:(?P<error>error:|fatal:|ERROR:|FATAL:|PANIC:)|(?P<warning>warning:|WARNING:))\s*(?P<text>.*)",
    re.DOTALL,
)
"""A program's complaint begins with its name; psql adds where it stands. What a server says is behind
that, in the language that the program was started in."""
_QUOTED = re.compile(r"\"[^\"]*\"")
_DENIED = "permission denied|must be superuser|must be owner|must be able to SET ROLE|must have "
_KINDS: Mapping[str, re.Pattern[str]] = {
    kind: re.compile(words)
    for kind, words in {
        "disk full": r"No space left on device|Disk quota exceeded",
        "out of memory": r"out of memory|invalid memory alloc|could not resize shared memory",
        "connection lost": r"server closed the connection|terminating connection|connection to "
        r"server|could not (?:send|receive) data|SSL SYSCALL|the database system is ",
        "missing role": r"\brole \"…\" does not exist",
        "missing extension": r"\bextension \"…\" (?:is not available|does not exist|has no )"
        r"|extension control file|could not access file \"…\"",
        "missing tablespace": r"tablespace \"…\" does not exist",
        "permission": _DENIED,
        "duplicate object": r"already exists",
        "duplicate key": r"could not create unique index|duplicate key value",
        "violated constraint": r"violates |is violated by some row",
        "missing object": r"does not exist",
        "unreadable value": r"invalid (?:input syntax|byte sequence)|out of range|malformed |"
        r"has no equivalent in encoding|missing data for column|extra data after",
        "unknown setting": r"unrecognized configuration parameter",
        "syntax": r"syntax error",
    }.items()
}
"""Kinds by the words of PostgreSQL's messages, without what is quoted in them: that is the archive's."""

_ENTRY = re.compile(r"from TOC entry ([^\n]+)")
ENTRY_DENIED = (
    "The archive holds something that only a superuser may do. Look at that entry "
    "(pg_restore --list, or the dump's text): where it is honest, take it out of a copy of the "
    "archive, or restore that copy by hand."
)


def read_line(line: str) -> tuple[Level, str] | None:
    """Whether a line of a loading program is a complaint, and its text."""
    match = _LINE.match(line)
    if match is None:
        return None
    return ("error" if match["error"] else "warning"), match["text"]


def kind_of(text: str) -> str:
    """The kind of a complaint, or `other`."""
    words = _QUOTED.sub('"…"', text)
    return next((kind for kind, pattern in _KINDS.items() if pattern.search(words)), "other")


class Complaints:
    """Hears every line that the programs of one load print; nothing that they complain of is lost."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._counts: dict[tuple[Level, str], int] = {}
        self._first: dict[tuple[Level, str], list[str]] = {}
        self.guarded = False
        """True once the guard's own complaint was heard: something else answers than the target."""

    def hear(self, line: str) -> bool:
        """Take one line; whether it is an error."""
        if self._guard.complained(line):
            self.guarded = True
        found = read_line(line)
        if found is None:
            return False
        level, text = found
        key = (level, kind_of(text))
        self._counts[key] = self._counts.get(key, 0) + 1
        kept = self._first.setdefault(key, [])
        if len(kept) < KEPT:
            kept.append(plain(scrub(line), 500))
        return level == "error"

    def of(self, level: Level) -> tuple[Complaint, ...]:
        """The kinds of a level, in the order in which they first came."""
        return tuple(
            Complaint(level=each, kind=kind, count=count, first=tuple(self._first[each, kind]))
            for (each, kind), count in self._counts.items()
            if each == level
        )


def check(
    done: Completed, tool: str, target: Target, complaints: Complaints
) -> Working[tuple[Complaint, ...]]:
    """What the tool complained of: warnings are recorded and handed back; raises where there was an
    error, or the tool ended as if there were one."""
    if complaints.guarded:
        raise refused(
            "target-changed",
            f"What answers {tool} as target {target.name} is not what this incident "
            "created, or it is not empty any more.",
            compared="the first statement of the load asked on its own connection for system "
            "identifier, database oid, mark and contents",
        )
    errors, warnings = complaints.of("error"), complaints.of("warning")
    if warnings:
        yield _milestone(tool, "warning", warnings)
    if not errors and done.exit_code == 0:
        return warnings
    if not errors:
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        text = ": ".join([f"{tool} exit code {done.exit_code}", *last])
        words = (plain(scrub(text), 500),)
        errors = (Complaint(level="error", kind="other", count=1, first=words),)
    yield _milestone(tool, "error", errors)
    denied = any(one.kind == "permission" for one in errors)
    entry = _ENTRY.search(done.stderr) if denied else None
    raise StepFailed(
        f"{tool} could not load the archive: {errors[0].first[0]}"
        + (f" (entry {plain(scrub(entry[1]), 200)})" if entry else ""),
        means=f"The target {target.name} is half-filled. It is never used again.",
        next=ENTRY_DENIED if denied else advice(errors[0].kind),
        code="load-denied" if denied else "load",
    )


def _milestone(tool: str, level: Level, found: tuple[Complaint, ...]) -> Milestone:
    kinds: dict[str, Json] = {one.kind: one.count for one in found}
    shown = ", ".join(f"{one.count:,} {one.kind}" for one in found)
    words = [text for one in found for text in one.first]
    total = sum(one.count for one in found)
    return Milestone(
        f"{tool} reported {counted(total, level)}: {shown}", {f"{level}s": words, "kinds": kinds}
    )


def tell(left: tuple[str, ...]) -> Working[None]:
    """What is missing on purpose goes into the record."""
    if left:
        yield Milestone(
            f"not loaded, since only a superuser could create it: {plain(', '.join(left), 400)}",
            {"left_out": list(left[:200])},
        )
