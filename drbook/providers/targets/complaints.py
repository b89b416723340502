"""What a loading program complained of: kept for the record, and said in words to the operator."""

import re
from collections import Counter

from drbook.core.errors import StepFailed
from drbook.core.refusals import refused
from drbook.core.signals import Milestone, Working
from drbook.core.targets import Target
from drbook.core.values import counted, plain
from drbook.providers.hiding import scrub
from drbook.providers.process import Completed
from drbook.providers.targets.lease import Guard
from drbook.providers.targets.tools import advice, is_error

_DENIED = re.compile(r"permission denied|must be superuser|must be owner|must be able to SET ROLE")
_KIND = re.compile(r"\".*?\"|\d+")
"""What differs between two errors of one kind: names and numbers."""
_ENTRY = re.compile(r"from TOC entry ([^\n]+)")
ENTRY_DENIED = (
    "The archive holds something that only a superuser may do. Look at that entry "
    "(pg_restore --list, or the dump's text): where it is honest, take it out of a copy of the "
    "archive, or restore that copy by hand."
)


def check(done: Completed, tool: str, target: Target, guard: Guard) -> Working[None]:
    """All of the tool's errors, kept; raises where there was one."""
    if done.exit_code == 0:
        return
    if guard.complained(done.stderr):
        raise refused(
            "target-changed",
            f"What answers {tool} as target {target.name} is not what this incident "
            "created, or it is not empty any more.",
            compared="the first statement of the load asked on its own connection for system "
            "identifier, database oid, mark and contents",
        )
    lines = [line for line in done.stderr.splitlines() if is_error(line)]
    errors = [plain(scrub(line), 500) for line in lines] or [f"{tool} exit code {done.exit_code}"]
    kinds = Counter(_KIND.sub("…", line.split("ERROR:", 1)[-1]).strip() for line in errors)
    yield Milestone(
        f"{tool} reported {counted(len(errors), 'error')}",
        {"errors": errors[:200], "kinds": dict(kinds.most_common(20))},
    )
    denied = _DENIED.search(done.stderr) is not None
    entry = _ENTRY.search(done.stderr) if denied else None
    raise StepFailed(
        f"{tool} could not load the archive: {errors[0]}"
        + (f" (entry {plain(entry[1], 200)})" if entry else ""),
        means=f"The target {target.name} is half-filled. It is never used again.",
        next=ENTRY_DENIED if denied else advice(done.stderr),
        code="load-denied" if denied else "load",
    )


def tell(left: tuple[str, ...]) -> Working[None]:
    """What is missing on purpose goes into the record."""
    if left:
        yield Milestone(
            f"not loaded, since only a superuser could create it: {plain(', '.join(left), 400)}",
            {"left_out": list(left[:200])},
        )
