"""Do the keys still open the backups? Each source is opened with its own secrets, and a little of what it
holds is read, through decryption where it is encrypted.

At most a MiB of each is read. Nothing is written: what is still encrypted lies in a private folder of this
look while a program reads it, and what was decrypted only in memory.
"""

import re
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from datetime import timedelta
from pathlib import Path
from threading import Thread

from drbook.core.auditreport import Opened
from drbook.core.errors import DrbookError
from drbook.core.points import Answer, RecoveryPoint, SourceConfig
from drbook.core.signals import finish
from drbook.core.values import counted, plain, show_duration, show_size
from drbook.providers.archive import compression_of, packed_by, sniff
from drbook.providers.cancel import CancelToken
from drbook.providers.contained import Contained
from drbook.providers.hiding import scrub
from drbook.providers.opened import OpenSources
from drbook.providers.scratch import Scratch
from drbook.providers.sealed import unsealer_of
from drbook.providers.secrets import Secrets
from drbook.providers.sources.base import Blob, Changed, OpenableSource, Spoilt, Unreachable
from drbook.providers.sources.borg import BorgSource
from drbook.providers.sources.restic import ResticSource
from drbook.providers.sources.sealed import SealedSource, seal_of

MOST = 1024 * 1024
"""Bytes that are read of one copy."""
NEWEST = 5
"""Copies of a source among which the sample is chosen."""
LONGER = timedelta(seconds=60)
"""What a source that has listed its copies gets to read and decrypt a little of one."""
_WRONG = re.compile(
    r"no key of the repository opens with this password|does not open with this passphrase"
    r"|no identity matched|secret key is wrong|access key does not exist|access is denied"
    r"|credentials have expired|session token is not valid|No secret key|Bad passphrase"
    r"|Bad session key|unknown identity type|malformed secret key|cannot be imported"
)
"""Answers that say that the key itself is not the right one; every other failure says nothing of it."""


def open_samples(configs: Sequence[SourceConfig], secrets: Secrets) -> tuple[Opened, ...]:
    """All of these sources side by side, each with a deadline of its own. Never raises DrbookError."""
    cancel = CancelToken()
    sources = OpenSources(configs, secrets, cancel)
    waiting: list[tuple[SourceConfig, _Silence, Future[Opened]]] = []
    try:
        for config in configs:
            silence = _Silence(config.timeout)
            waiting.append(
                (config, silence, _started(sources, silence, config.id, secrets, cancel))
            )
        return tuple(_answer(sources, *each) for each in waiting)
    finally:
        cancel.request("cancel")
        sources.close()


class _Silence:
    """Since when a source has said nothing, and how long it may."""

    def __init__(self, longest: timedelta) -> None:
        self.longest = longest
        self._since = time.monotonic()

    def broken(self, longest: timedelta | None = None) -> None:
        """It said something; from now on it may be silent for this long."""
        self.longest = longest or self.longest
        self._since = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds."""
        return self._since + self.longest.total_seconds() - time.monotonic()


def _started(
    sources: OpenSources, silence: _Silence, id: str, secrets: Secrets, cancel: CancelToken
) -> Future[Opened]:
    outcome: Future[Opened] = Future()

    def look() -> None:
        try:
            outcome.set_result(_look(sources, silence, id, secrets, cancel))
        except DrbookError as error:
            outcome.set_result(_not_opened(id, error))
        except (Unreachable, Changed, Spoilt, OSError) as error:
            outcome.set_result(_unknown(id, str(error)))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.set_exception(error)

    Thread(target=look, name=f"sample-{id}", daemon=True).start()
    return outcome


def _answer(
    sources: OpenSources, config: SourceConfig, silence: _Silence, future: "Future[Opened]"
) -> Opened:
    while (left := silence.left) > 0:
        if wait([future], timeout=left).done:
            break
    if future.done():
        return future.result()
    sources.give_up(config.id)
    return _unknown(config.id, f"it did not answer within {show_duration(silence.longest)}")


def _listed(source: Contained, silence: _Silence) -> Sequence[RecoveryPoint]:
    """Its copies; each sign of its listing breaks the silence."""
    work = source.points()
    while True:
        try:
            next(work)
        except StopIteration as end:
            points: Sequence[RecoveryPoint] = end.value
            return points
        silence.broken()


def _look(
    sources: OpenSources, silence: _Silence, id: str, secrets: Secrets, cancel: CancelToken
) -> Opened:
    config = sources.config(id)
    source = sources(id)
    facts = source.survey()
    if not facts.reachable:
        return _judged(id, facts.why_unreachable)
    silence.broken()
    points = _listed(source, silence)
    silence.broken(LONGER)
    if not points:
        return _unknown(id, "it opened, and holds no copy on which its key could be tried")
    if config.format == "physical":
        return _physical(id, points)
    if any(point.standby for point in points):
        return _passed(
            id, "nothing-to-decrypt", "the standby answered to its login; nothing was dumped"
        )
    chosen = _chosen(config, source, points)
    if chosen is None:
        return _unknown(
            id,
            f"it opened, and none of its newest {min(NEWEST, len(points))} copies is encrypted: the key of "
            "`decrypt` was not tried",
        )
    return _read(config, *chosen, secrets, cancel)


def _physical(id: str, points: Sequence[RecoveryPoint]) -> Opened:
    count = counted(len(points), "physical copy", "physical copies")
    if any(point.encrypted for point in points):
        return _passed(
            id, "decrypted", f"its list of {count} was read through decryption; no data of them was"
        )
    if any(point.encrypted is None for point in points):
        return _unknown(
            id,
            f"it opened and lists {count}; whether they are encrypted, nobody says: its key was not tried",
        )
    return _passed(
        id, "nothing-to-decrypt", f"it opened and lists {count}; no data of them was read"
    )


def _chosen(
    config: OpenableSource, source: Contained, points: Sequence[RecoveryPoint]
) -> tuple[RecoveryPoint, bytes] | None:
    """The smallest of the newest copies with its first bytes; of those alone that are encrypted, where the
    source says how they are opened. Raises what reading raises."""
    seal = seal_of(config) if isinstance(config, SealedSource) else ""
    for point in sorted(points[:NEWEST], key=lambda point: point.size):
        head = _head(_smallest(source, point))
        if not seal or packed_by(head[:4096]) == seal:
            return point, head
    return None


def _smallest(source: Contained, point: RecoveryPoint) -> Blob:
    return min((blob for _, blob in source.files(point)), key=lambda blob: blob.size)


def _head(blob: Blob) -> bytes:
    found = bytearray()
    with blob.read(0) as pieces:
        for piece in pieces:
            if isinstance(piece, bytes):
                found += piece[: MOST - len(found)]
                if len(found) >= MOST:
                    break
    return bytes(found)


def _read(
    config: OpenableSource, point: RecoveryPoint, head: bytes, secrets: Secrets, cancel: CancelToken
) -> Opened:
    read = f"{show_size(len(head))} of {plain(point.location, 200)}"
    unsealer = unsealer_of(config, secrets, cancel)
    if unsealer is not None:
        if why := unsealer.unavailable():
            return _judged(config.id, why)
        with Scratch("sample") as scratch:
            sealed = Path(scratch) / "sealed"
            sealed.write_bytes(head)
            came, failed = finish(unsealer.sample(sealed))
        if not came:
            return _judged(config.id, failed.reason if failed else "nothing came out of it")
        program = (
            config.decrypt.program if isinstance(config, SealedSource) and config.decrypt else ""
        )
        if program != "age" and not _known(came):
            return _unknown(config.id, f"{program} gave bytes of {read} that begin like no dump")
        return _passed(config.id, "decrypted", f"{program} decrypted {read}: {_kind(came)}")
    if seal := packed_by(head[:4096]):
        reason = f"{read} is packed or encrypted ({seal}), and nothing in the runbook opens it"
        return Opened(source=config.id, answer=Answer.FAIL, outcome="not-opened", reason=reason)
    if isinstance(config, ResticSource) or (isinstance(config, BorgSource) and config.passphrase):
        return _passed(config.id, "decrypted", f"{config.kind} decrypted {read}: {_kind(head)}")
    return _passed(config.id, "nothing-to-decrypt", f"read {read}: {_kind(head)}, not encrypted")


def _known(head: bytes) -> bool:
    return sniff(head) != "unknown" or compression_of(head) != "none"


def _kind(head: bytes) -> str:
    if (packed := compression_of(head)) != "none":
        return f"packed by {packed}"
    kind = sniff(head)
    return f"a dump ({kind})" if kind not in ("unknown", "empty") else f"{kind} to drbook"


def _not_opened(id: str, error: DrbookError) -> Opened:
    """A secret that is not here cannot open anything; other errors are judged by what they say."""
    if error.code == "secret":
        return Opened(source=id, answer=Answer.FAIL, outcome="not-opened", reason=_said(error.what))
    return _judged(id, error.what)


def _judged(id: str, why: str) -> Opened:
    lost = "The secret " in why and "cannot be read" in why
    answer = Answer.FAIL if lost or _WRONG.search(why) else Answer.UNKNOWN
    return Opened(source=id, answer=answer, outcome="not-opened", reason=_said(why))


def _unknown(id: str, why: str) -> Opened:
    return Opened(source=id, answer=Answer.UNKNOWN, outcome="not-opened", reason=_said(why))


def _passed(id: str, outcome: str, reason: str) -> Opened:
    return Opened.model_validate(
        {"source": id, "answer": Answer.PASS, "outcome": outcome, "reason": _said(reason)}
    )


def _said(text: str) -> str:
    return plain(scrub(" ".join(text.split())), 400)
