"""Who may approve, read once: from then on the incident's record holds the list, and the file does not count."""

import hashlib
from datetime import datetime
from pathlib import Path

from drbook.core.approval import sha256
from drbook.core.errors import Problem
from drbook.core.events import ApproversTaken
from drbook.core.runbook import Runbook
from drbook.core.signers import LARGEST, read_signers
from drbook.core.values import plain
from drbook.language.advice import unlisted, unsigning
from drbook.providers import private


def approvers_of(runbook: Runbook) -> ApproversTaken | None:
    """The list that the runbook names; None where it names none. What is wrong with it is said in it: no incident
    waits for a list, and nobody can approve by that one."""
    stated = runbook.document.approvers
    if stated is None:
        return None
    text, problem, digest = stated.text, "", ""
    if stated.file:
        try:
            read = private.read(Path(stated.file).expanduser(), LARGEST + 1)
            digest = hashlib.sha256(read).hexdigest()
            text = read.decode("ascii")
        except (OSError, RuntimeError) as error:
            problem = f"it cannot be read: {getattr(error, 'strerror', None) or error}"
        except UnicodeDecodeError:
            problem = "it holds something else than ASCII"
    try:
        if not problem:
            read_signers(text)
    except ValueError as error:
        problem = str(error)
    if problem:
        text = ""
    return ApproversTaken(
        file=stated.file,
        sha256=sha256(text) if not problem else digest,
        text=text,
        problem=plain(problem, 300),
    )


def on_this_machine(runbook: Runbook, now: datetime) -> list[Problem]:
    """What is wrong with the file that `approvers` names, as it lies here by now; nothing where none is named.
    It is no fault of the runbook: another machine may have another file."""
    stated = runbook.document.approvers
    if stated is None or not stated.file:
        return []
    taken = approvers_of(runbook)
    if taken is None or taken.problem:
        return [unlisted(runbook, taken.problem if taken is not None else "")]
    return unsigning(runbook, now, taken.text)
