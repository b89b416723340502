"""Jobs that the runbook states to remove copies: what plans say of them before anything is mounted.

In 2021 a backup server was brought back with its purge jobs, and they removed the backups that it was
brought back for (FACTS.md, section 1).
"""

from collections.abc import Iterator, Mapping, Sequence

from drbook.core.runbook import RunbookDocument
from drbook.core.values import plain


def pause(source: str, what: str) -> str:
    """One sentence for plans, milestones and screens."""
    return f"pause before you mount or restore anything of {plain(source, 60)}: {plain(what, 400)}"


def purgers(
    document: RunbookDocument, sources: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """Source and job, in the order of the runbook; of these sources, where some are named."""
    return [
        (str(entry.get("id", "?")), job)
        for entry in document.backups
        if sources is None or entry.get("id") in sources
        for job in _jobs(entry)
    ]


def _jobs(entry: Mapping[str, object]) -> Iterator[str]:
    """Entries are checked by their own kinds; what is no list of texts is none of ours."""
    jobs = entry.get("purged_by")
    if isinstance(jobs, Sequence) and not isinstance(jobs, str):
        yield from (
            f"the job {plain(job, 300)}, which removes copies"
            for job in jobs
            if isinstance(job, str)
        )
