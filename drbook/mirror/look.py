"""Before an incident is gone on with: has another machine taken over, is the record here the one that
was written?

A mirror that does not answer in time never stops an incident; that it was not asked is told. One that
cannot be asked for want of credentials or a usable configuration is no outage: nothing is known of it
that whoever resumes could not know. One whose own chain was broken was changed, and stops nobody;
`drbook journal verify` says so.
"""

import threading
import time
from collections.abc import Callable, Sequence

from drbook.core.errors import DrbookError, JournalError, UsageError
from drbook.core.values import counted, plain
from drbook.journal.codec import digest
from drbook.mirror.chain import line_of
from drbook.mirror.compare import Copy, Line, changed_there
from drbook.mirror.fence import newest, supersedes
from drbook.mirror.mirrors import superseded
from drbook.mirror.place import NO_CREDENTIALS, RECORDS, Place, Stored, number_in

LOOK_SECONDS = 8.0


def may_go_on(
    openers: Sequence[tuple[str, Callable[[], Place]]],
    *,
    digests: Sequence[str],
    epoch: int,
    token: str,
    without: bool = False,
    seconds: float = LOOK_SECONDS,
) -> tuple[str, ...]:
    """Ask all mirrors, each by its name, at once, and wait at most so long; returns those that did not
    answer, each with the reason. `digests` are those of the journal's lines.

    Raises TakenOver where a fence says so, JournalError where a mirror holds a record that follows
    this journal's last one, or another one in a place where this journal has its own: what is done
    already would be done again. Raises UsageError where a mirror cannot be asked from here for want of
    credentials or a usable configuration, unless somebody says to go on `without` it.
    """
    found: list[DrbookError] = []
    unset: list[DrbookError] = []
    silent = dict.fromkeys(range(len(openers)), f"no answer within {seconds:g} s")

    def ask(number: int) -> None:
        where, opened = openers[number]
        try:
            look(opened())
        except DrbookError as error:
            silent[number] = error.what
            if isinstance(error, UsageError) or error.code == NO_CREDENTIALS:
                unset.append(_unset(where, error))
        except Exception as error:  # noqa: BLE001 - a library's defect is no answer, and is told
            silent[number] = (
                f"drbook itself failed: {type(error).__name__}: {plain(str(error), 200)}"
            )
        else:
            silent.pop(number)

    def look(place: Place) -> None:
        try:
            held = newest(place)
            if held is not None and supersedes(held, epoch, token):
                found.append(superseded(held.show(), place.location))
            elif (parted := _parted(place, digests)) is not None:
                found.append(parted)
        finally:
            place.close()

    threads = [
        threading.Thread(target=ask, args=(one,), daemon=True) for one in range(len(openers))
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    if found:
        raise found[0]
    if unset and not without:
        raise unset[0]
    return tuple(f"{plain(openers[one][0], 200)}: {why}" for one, why in dict(silent).items())


def _unset(where: str, error: DrbookError) -> UsageError:
    return UsageError(
        f"The mirror {plain(where, 200)} cannot be asked from here: {error.what}",
        means="Nothing is wrong with the mirror. Whether another machine has taken over, and whether "
        "this journal is the newest, is not known, so a step could be done twice. Nothing was resumed.",
        next="Give this shell what the first one had. Or, if you know that nobody leads this incident "
        f"elsewhere, resume with --without-mirrors; that goes on record. {error.next}".rstrip(),
        code="mirror-unset",
    )


def _parted(place: Place, digests: Sequence[str]) -> JournalError | None:
    """Why the place's records are not this journal's; None where they are, or nobody can tell."""
    held = {number_in(stored.name): stored for stored in place.listed(RECORDS)}
    numbers = [number for number in held if number is not None]
    if not numbers or not digests:
        return None
    at = min(len(digests), max(numbers))
    near = (number for number in (at - 1, at, at + 1) if number in held)
    lines = {number: _line(place, number, held[number]) for number in near}
    theirs, after = lines.get(at), lines.get(at + 1)
    if theirs is not None and theirs.digest and theirs.digest != digests[at - 1]:
        copy = Copy(place.location, tuple(lines.values()))
        return None if changed_there(digests, copy, at) else _other(place, at)
    if at == len(digests) and after is not None and after.prev == digests[-1]:
        return _cut(place, at)
    return None


def _line(place: Place, seq: int, stored: Stored) -> Line:
    data = place.read(stored)
    try:
        record = line_of(data)
    except JournalError as error:
        return Line(seq, problem=error.what)
    return Line(seq, digest(data[:-1]), record.prev)


def _other(place: Place, seq: int) -> JournalError:
    return JournalError(
        f"The mirror {place.location} holds another record {seq} than this journal.",
        means="This journal was changed, or an older copy of it was put back and gone on with; or the "
        "mirror was written anew. Going on could do again what was done. Nothing was resumed.",
        next="`drbook journal verify --mirrors` says from where on they differ. Where the mirror is "
        f"right, move this folder aside as evidence and take over: drbook resume --from "
        f"{place.location} --take-over REASON. Where this journal is right, take the mirror away (its "
        "mount, its network): one that does not answer stops nothing.",
        code="journal-differs",
    )


def _cut(place: Place, records: int) -> JournalError:
    return JournalError(
        f"The mirror {place.location} holds records that follow the last of the "
        f"{counted(records, 'record')} here.",
        means="Lines were cut off the end of this journal, or an older copy of it was put back. Going "
        "on with it would make a second record of the same incident.",
        next="Move this folder aside as evidence, then take over from the mirror: "
        f"drbook resume --from {place.location} --take-over REASON.",
        code="journal-cut",
    )
