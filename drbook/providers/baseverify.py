"""Running PostgreSQL's own programs on base backups: pg_verifybackup and pg_combinebackup."""

import os
from collections.abc import Sequence
from pathlib import Path

from drbook.core.errors import StepFailed
from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Signal, Working
from drbook.core.values import plain
from drbook.core.walnames import SEGMENT
from drbook.providers.hiding import scrub
from drbook.providers.pgtools import ENGLISH, PgTools, find_tools
from drbook.providers.process import run


def programs(major: int) -> PgTools | None:
    """Those of this very major version; None where they are not here."""
    fitting = [one for one in find_tools() if one.major == major and one.has_server]
    return max(fitting, key=lambda one: one.version) if fitting else None


def verify(
    folder: Path, major: int, cancel: Cancel, ignore: Sequence[str] = ()
) -> Working[ByteFact]:
    """A data directory against its own `backup_manifest`: every file's size and checksum, and, where its WAL
    came with it, that too."""
    tools = programs(major)
    if tools is None or not (tools.bin / "pg_verifybackup").is_file():
        reason = f"pg_verifybackup of PostgreSQL {major} is not installed here: install postgresql-{major}"
        return ByteFact(state="unknown", reason=reason)
    argv: list[str | Path] = [tools.path("pg_verifybackup")]
    for name in ignore:
        argv += ["--ignore", name]
    with_wal = _has_wal(folder / "pg_wal")
    argv += [folder] if with_wal else ["--no-parse-wal", folder]
    said: list[str] = []

    def heard(stream: str, line: str) -> Signal | None:
        said.append(line)
        return Output(f"pg_verifybackup: {plain(scrub(line), 300)}") if line.strip() else None

    done = yield from run(argv, env=ENGLISH, cancel=cancel, on_line=heard)
    if done.exit_code == 0:
        wal = "and so is its WAL" if with_wal else "its WAL is in the archive"
        reason = f"every file is as its backup_manifest says, {wal} (pg_verifybackup)"
        return ByteFact(state="intact", reason=reason)
    bad = [line.partition("error: ")[2] for line in said if "error: " in line]
    first = plain(scrub((bad or said or ["it said nothing"])[0]), 300)
    more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
    return ByteFact(state="damaged", reason=f"pg_verifybackup: {first}{more}")


def combined(
    chain: Sequence[Path], data: Path, moved: Sequence[tuple[str, Path]], major: int, cancel: Cancel
) -> Working[None]:
    """Data directories of a chain, the full one first, put together. Raises StepFailed."""
    tools = programs(major)
    if tools is None or not (tools.bin / "pg_combinebackup").is_file():
        raise StepFailed(
            f"pg_combinebackup of PostgreSQL {major} is not installed here.",
            means="An incremental copy cannot be put together with its parents without it.",
            next=f"Install postgresql-{major}, then run the step again.",
            code="pg-tools",
        )
    argv: list[str | Path] = [tools.path("pg_combinebackup"), "--no-sync", "-o", data]
    for old, new in moved:
        argv += ["-T", f"{_escaped(old)}={_escaped(str(new))}"]
    done = yield from run([*argv, *chain], env=ENGLISH, cancel=cancel)
    if done.exit_code != 0:
        bad = [line for line in done.stderr.splitlines() if "error: " in line]
        why = plain(scrub((bad or [f"exit code {done.exit_code}"])[0]), 300)
        raise StepFailed(
            f"The copies of the chain could not be put together: {why}.",
            means="Nothing was started.",
            next="Choose a full copy, or an older one.",
            code="copy-damaged",
        )


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace("=", "\\=")


def _has_wal(folder: Path) -> bool:
    try:
        return any(SEGMENT.fullmatch(name) for name in os.listdir(folder))
    except OSError:
        return False
