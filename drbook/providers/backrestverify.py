"""What `pgbackrest verify` found, for one backup. Pure.

It reads every backup and every segment, ends with 0 whatever it finds, and calls the stanza good
where a backup's manifest is missing (2.45): only a backup's own line counts here. That line covers
the files in its parents. Missing segments it does not notice; that is seen by their names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drbook.core.points import ByteFact
from drbook.core.values import counted, plain
from drbook.core.walnames import segment
from drbook.providers.backrestlist import Backup

_BACKUP = re.compile(
    r"^\s*backup: (?P<label>\S+), status: (?P<status>[^,]+), "
    r"total files checked: (?P<checked>\d+), total valid files: (?P<valid>\d+)"
)
_ARCHIVE = re.compile(
    r"^\s*archiveId: (?P<id>\S+), total WAL checked: (?P<checked>\d+), total valid WAL: (?P<valid>\d+)"
)
_FOUND = re.compile(r"(?P<what>file missing|invalid \w+) '?(?P<file>[^':\s]+)")
_SEGMENT = re.compile(r"(?P<id>[^/]+)/[0-9A-F]{16}/(?P<name>[0-9A-F]{24})-")
_NONE = re.compile(r"^\s*(No usable .+)$", re.MULTILINE)
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Damage:
    what: str
    file: str

    def show(self) -> str:
        return f"{plain(self.file, 120)} ({self.what})"


@dataclass(frozen=True, slots=True)
class Verified:
    """What it printed, as far as one backup is concerned."""

    status: str
    """Of the backup: `valid`, or what else it said; empty where it said nothing of it."""
    checked: int
    valid: int
    bad_wal: int
    """How many segments of the backup's cluster are not as they were."""
    stopped: str
    """Why it verified nothing."""


def verified(text: str, label: str, archive: str) -> Verified:
    status, checked, valid, bad = "", 0, 0, 0
    for line in text.splitlines():
        if (match := _BACKUP.match(line)) and match["label"] == label:
            status, checked, valid = match["status"], int(match["checked"]), int(match["valid"])
        elif (match := _ARCHIVE.match(line)) and match["id"] == archive:
            bad = int(match["checked"]) - int(match["valid"])
    none = _NONE.search(text)
    return Verified(status, checked, valid, bad, plain(none[1], 200) if none else "")


def damage_in(line: str) -> Damage | None:
    """The file that a line of its log is about."""
    match = _FOUND.search(line)
    return Damage(match["what"], match["file"]) if match else None


def judged(
    backup: Backup,
    found: Verified,
    damages: Sequence[Damage],
    *,
    missing: Sequence[str],
    archive: str,
    size: int,
) -> ByteFact:
    """What is known of the backup now. `missing` are segments of its own that are not there, `size` the
    bytes of one."""
    if missing:
        first = ", ".join(missing[:_NAMED])
        return _damaged(f"WAL that it cannot become consistent without is missing: {first}")
    if found.status and found.status not in ("valid", "in-progress"):
        return _damaged(_why(backup, found, damages))
    if not found.status:
        return ByteFact(
            state="unknown", reason="pgBackRest verified others, and said nothing of it"
        )
    if found.status == "in-progress" or found.checked == 0 or found.valid != found.checked:
        return ByteFact(
            state="unknown",
            reason=f"pgBackRest verified {found.valid} of its {counted(found.checked, 'file')}",
        )
    bad = segments(damages, archive)
    own = [name for name in bad if _is_own(name, backup, size)]
    if own:
        return _damaged(f"WAL that it cannot become consistent without is damaged: {own[0]}")
    if found.bad_wal > len(bad):
        return ByteFact(
            state="unknown",
            reason=f"{counted(found.bad_wal, 'WAL segment')} did not verify, and which is not known",
        )
    whole = f"pgBackRest read its {counted(found.checked, 'file')}, and each is what it was"
    if bad:
        whole += f"; but WAL is damaged and leads no further than before {bad[0]}"
    return ByteFact(state="intact", reason=whole)


def _damaged(reason: str) -> ByteFact:
    return ByteFact(state="damaged", reason=reason)


def _why(backup: Backup, found: Verified, damages: Sequence[Damage]) -> str:
    if found.status != "invalid":
        return f"pgBackRest says of it: {plain(found.status, 60)}"
    if found.checked == 0:
        return "its manifest cannot be read, and neither can the copy of it"
    bad = found.checked - found.valid
    folders = (backup.label, *backup.needs)
    named = [one.show() for one in damages if one.file.partition("/")[0] in folders]
    example = f": {', '.join(named[:_NAMED])}" if named else ""
    more = " and more" if len(named) > _NAMED else ""
    return (
        f"{bad} of its {counted(found.checked, 'file')} {'is' if bad == 1 else 'are'} "
        f"missing or not what they were{example}{more}"
    )


def segments(damages: Sequence[Damage], archive: str) -> list[str]:
    found = (_SEGMENT.match(one.file) for one in damages)
    return sorted({match["name"] for match in found if match and match["id"] == archive})


def _is_own(name: str, backup: Backup, size: int) -> bool:
    if not backup.wal_start or name[:8] != backup.wal_start[:8]:
        return False
    first, last = segment(backup.wal_start, size), segment(backup.wal_stop, size)
    found = segment(name, size)
    if first is None or last is None or found is None:
        return name in (backup.wal_start, backup.wal_stop)
    return first.number <= found.number <= last.number
