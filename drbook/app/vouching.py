"""What vouches, beside a mirror, for the record that is gone on with: its runbook runs commands here.

Whoever can write a mirror can write a record and a runbook that fit each other. A head that was noted,
or the runbook's own file, comes from elsewhere.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drbook.core import events as ev
from drbook.core.errors import Refused, UsageError
from drbook.core.runbook import Runbook
from drbook.core.values import counted
from drbook.journal.reader import noted_head
from drbook.mirror.recover import Recovered, Source


@dataclass(frozen=True, slots=True)
class Vouch:
    """What whoever takes over brings along."""

    head: str = ""
    """SHA-256 of a line of the record, noted elsewhere."""
    runbook: Path | None = None
    """The file that the incident runs."""
    trusted: bool = False
    """Somebody said that the mirror's word is enough."""
    unattended: bool = False
    """Nobody reads what is told before it runs."""


def vouched_by(
    vouch: Vouch,
    found: Source,
    recovered: Recovered,
    runbook: Runbook,
    tell: Callable[[str], None],
) -> tuple[str, ...]:
    """What was held against the record and fits: `head`, `runbook`; empty where nothing was, which is
    told. Raises Refused where it does not fit, or where nothing was given and nobody is there to read
    it, UsageError for what is no head or no file. Nothing of the runbook has run before.
    """
    held = []
    if vouch.head:
        _hold_head(noted_head(vouch.head, means="Nothing was taken over."), found, recovered)
        held.append("head")
    if vouch.runbook is not None:
        _hold_runbook(vouch.runbook, runbook)
        held.append("runbook")
    if not held:
        words = what_it_runs(runbook)
        if vouch.unattended and not vouch.trusted:
            raise Refused(
                f"Nothing but the mirror vouches for the runbook. {words}",
                means="Whoever can write there could have put it there, and nobody is here to read it. "
                "Nothing was taken over.",
                next="Say what you know: --runbook FILE (your copy of it), or --head HEAD (printed at "
                "the end of a run and in every export). Or --trust-mirror, which goes on record.",
                code="mirror-unvouched",
            )
        tell(f"Nothing but the mirror vouches for this record and its runbook. {words}")
    return tuple(held)


def what_it_runs(runbook: Runbook) -> str:
    """How much of it reaches outside, with the digest to compare it by."""
    kinds = [step.step.do for step in runbook.steps]
    secrets = len(re.findall(rb"\bcmd:", runbook.source))
    return (
        f"Its SHA-256 is {runbook.sha256}. Of its {counted(len(kinds), 'step')}, "
        f"{kinds.count('shell')} run commands and {kinds.count('http')} send requests; "
        f"{counted(secrets, 'secret')} {'comes' if secrets == 1 else 'come'} from commands (cmd:)."
    )


def _hold_head(head: str, found: Source, recovered: Recovered) -> None:
    at = next((line.seq for line in found.copy.lines if line.digest == head), None)
    if at is None:
        raise Refused(
            f"No record that {found.copy.where} holds has the digest {head[:16]}….",
            means="It is another record than the one whose head was noted, or this mirror is behind it. "
            "Nothing was taken over.",
            next="Compare it with another mirror. Look who can write there.",
            code="mirror-unvouched",
        )
    kinds = (ev.IncidentOpened, ev.RunbookAmended)
    runbook = [record.seq for record in recovered.records if isinstance(record.event, kinds)]
    if runbook[-1] > at:
        raise Refused(
            f"The runbook was amended by record {runbook[-1]}, after the head that was noted (record "
            f"{at}).",
            means="That head says nothing about the runbook that would run. Nothing was taken over.",
            next="Give the amended runbook's own file: --runbook FILE.",
            code="mirror-unvouched",
        )


def _hold_runbook(path: Path, runbook: Runbook) -> None:
    try:
        own = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.", means="Nothing was taken over."
        ) from None
    if own != runbook.sha256:
        raise Refused(
            f"{path} is not the runbook that this record runs: its SHA-256 is {own}, not "
            f"{runbook.sha256}.",
            means="The runbook was changed, here or in the mirror. Nothing was taken over.",
            next="Find the file that the incident was opened (or last amended) with.",
            code="runbook-differs",
        )
