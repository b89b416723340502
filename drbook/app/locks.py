"""Proving the locks of a runbook's buckets, and what is on record of earlier attempts.

The one thing by which an audit writes anywhere but its page: an object of drbook's own in each locked place,
recorded before it is made and again with what came of it, in `lock-proofs.jsonl` of the state directory.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from drbook.app.places import Home, need_private, sync_folder
from drbook.core.errors import JournalError
from drbook.core.lockproofs import LockPlan, LockProof, Mode, interrupted, observed
from drbook.core.points import Observed, SourceConfig
from drbook.core.runbook import Runbook
from drbook.mirror.config import S3Mirror
from drbook.providers import private, secrets
from drbook.providers.backups import Tried
from drbook.providers.hiding import Secret
from drbook.providers.s3config import S3Place

RECORD = "lock-proofs.jsonl"
LARGEST = 16 * 1024 * 1024
"""Bytes of the record that are read; a proof is some 3 KB."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the record tells."""

    begun: Sequence[LockProof] = ()
    ended: Sequence[LockProof] = ()
    unread: str = ""

    @property
    def doubts(self) -> list[str]:
        """What it leaves open, in words."""
        return [one for one in (self.unread, interrupted(self.begun, self.ended)) if one]


def known(home: Home) -> Known:
    """Every attempt on record. What cannot be read is said, and proves nothing."""
    try:
        data = private.read(home.path / RECORD, LARGEST)
    except FileNotFoundError:
        return Known()
    except OSError as error:
        return Known(unread=f"earlier lock proofs cannot be read: {error.strerror or error}")
    found: dict[str, list[LockProof]] = {"begun": [], "ended": []}
    bad = 0
    for line in data.splitlines():
        try:
            ((event, proof),) = json.loads(line).items()
            found[event].append(LockProof.model_validate(proof))
        except (ValueError, KeyError, AttributeError, RecursionError):
            bad += 1
    if len(data) == LARGEST:
        bad += 1
    unread = f"{bad} lines of {RECORD} cannot be read" if bad else ""
    return Known(found["begun"], found["ended"], unread)


def tried(home: Home) -> Tried:
    """What the record tells of a source's place; it is read once, when first asked."""
    looked = cache(lambda: known(home))

    def of(config: SourceConfig) -> Observed:
        if not isinstance(config, S3Place):
            return Observed(why="not tried")
        from drbook.providers.s3prove import place_of

        told = observed(looked().ended, place_of(config.id, config), datetime.now(UTC))
        if looked().unread and told.value is not False:
            return Observed(why=looked().unread)
        return told

    return of


def stores(runbook: Runbook) -> list[tuple[str, S3Place]]:
    """Every bucket that the runbook names: of sources, mirrors and baselines."""
    named: list[tuple[str, object]] = [(source.id, source) for source in runbook.sources]
    named += [("mirror", one) for one in runbook.mirrors]
    named.append(("baselines", runbook.baseline_store))
    return [(name, one) for name, one in named if isinstance(one, S3Place)]


Planned = tuple[S3Place, LockPlan]


def plans(runbook: Runbook, environment: Mapping[str, str]) -> list[Planned]:
    """What would be written where. Asks each bucket and writes nothing. Raises UsageError where a
    credential cannot be read."""
    from drbook.providers.s3prove import places, plan

    now = datetime.now(UTC)
    return [
        (store, plan(store, place, _resolver(environment), now, _declared(store)))
        for place, store in places(stores(runbook))
    ]


def _declared(store: S3Place) -> Mode | None:
    return "COMPLIANCE" if isinstance(store, S3Mirror) and store.retain is not None else None


def prove_all(
    planned: Sequence[Planned], home: Home, environment: Mapping[str, str]
) -> list[LockProof]:
    """Try each lock that was planned, one after the other; recorded before and after.

    Raises JournalError where it cannot be recorded: then nothing was written by that one.
    """
    from drbook.providers.s3prove import prepare, prove

    proofs = []
    for store, plan in planned:
        if plan.why:
            continue
        at = datetime.now(UTC).replace(microsecond=0)
        prepared = prepare(plan, at)
        begun = LockProof(
            place=plan.place,
            key=prepared[0],
            mode=plan.mode,
            until=plan.until,
            by_default=plan.by_default,
            at=at,
        )
        _record(home, "begun", begun)
        proof = prove(store, plan, prepared, _resolver(environment), at)
        _record(home, "ended", proof)
        proofs.append(proof)
    return proofs


def _resolver(environment: Mapping[str, str]) -> secrets.Secrets:
    def secret(reference: str) -> Secret:
        return secrets.resolve(reference, environment)

    return secret


def _record(home: Home, event: str, proof: LockProof) -> None:
    """One line, on disk before this returns."""
    path: Path = home.path / RECORD
    try:
        private.folders(home.path)
        need_private(home.path)
        with private.append(path) as stream:
            stream.write(json.dumps({event: proof.model_dump(mode="json")}) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(home.path)
    except OSError as error:
        raise JournalError(
            f"{path} cannot be written: {error.strerror or error}.",
            means="No lock is tried that cannot be recorded before."
            if event == "begun"
            else f"The object {proof.key} was written and tried; that is on record as begun only.",
            next="Make room or mend the permissions, or point DRBOOK_HOME at another place.",
            code="lock-proof-record",
        ) from None
