"""What one look at a pgBackRest repository found, and what follows from it without reading another byte. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drbook.core.points import ByteFact
from drbook.core.values import counted
from drbook.core.walnames import Way
from drbook.providers.backrestlist import Archive, Backup, Stanza
from drbook.providers.backrestwal import (
    Reach,
    alone,
    missing_of_its_own,
    reach,
    segment_size,
    way_of,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the repository found."""

    stanza: Stanza
    folders: frozenset[str]
    archives: dict[str, Archive]
    histories: dict[tuple[str, int], str]
    """By cluster and timeline: the history files that were read."""

    def backup(self, label: str) -> Backup | None:
        return next((one for one in self.stanza.backups if one.label == label), None)

    def archive(self, backup: Backup) -> Archive:
        return self.archives.get(self.stanza.archive_of(backup), Archive())

    def size(self, backup: Backup) -> int:
        """Bytes of a segment of its cluster."""
        same = [one for one in self.stanza.backups if one.database == backup.database]
        return segment_size(same)

    def way(self, one: Backup) -> tuple[Way, list[str]]:
        """The timelines that it can be rolled along, and what has to be said of them."""
        archive = self.archive(one)
        own = alone(one)
        if not own or not archive.histories or max(archive.histories) <= own[0].timeline:
            return own, []
        newest = max(archive.histories)
        text = self.histories.get((self.stanza.archive_of(one), newest))
        if text is None:
            return own, [f"timeline {newest} was not looked at: its history cannot be read"]
        try:
            spans = way_of(one, newest, text, self.size(one))
        except ValueError:
            return own, [f"timeline {newest} was not looked at: its history is none"]
        if not spans:
            said = f"timeline {newest} began before this copy ended: it leads along {own[0].timeline} only"
            return own, [said]
        return spans, [f"along {' and '.join(f'timeline {each.timeline}' for each in spans)}"]

    def reach(self, one: Backup, without: Sequence[str] = ()) -> Reach:
        """How far its WAL leads, as if there were no segments of these names."""
        archive = self.archive(one)
        if without:
            there = {name: each for name, each in archive.segments.items() if name not in without}
            archive = replace(archive, segments=there)
        return reach(one, archive, self.way(one)[0], self.size(one))

    def cut(self, fact: ByteFact, one: Backup, bad: Sequence[str]) -> ByteFact:
        """With how far it rolls without its damaged segments, where that is less than with them."""
        left = self.reach(one, bad)
        if left.last == self.reach(one).last:
            return fact
        return fact.model_copy(update={"rolls_less": True, "rolls_to": left.at})


def by_names(one: Backup, seen: Seen) -> ByteFact:
    """What is missing or known to be bad, without reading it."""
    gone = [label for label in (one.label, *one.needs) if label not in seen.folders]
    if one.label in gone:
        return ByteFact(state="damaged", reason="it is listed, and its folder is gone")
    if gone:
        return ByteFact(state="damaged", reason=f"what it was made upon is gone: {gone[0]}")
    missing = missing_of_its_own(one, seen.archive(one), seen.size(one))
    if missing:
        count = counted(len(missing), "WAL segment")
        reason = f"{count} without which it cannot become consistent missing: {missing[0]}"
        return ByteFact(state="damaged", reason=reason)
    if one.page_errors:
        reason = "pages of it had wrong checksums when it was taken, pgBackRest says"
        return ByteFact(state="damaged", reason=reason)
    return ByteFact(
        state="unread", reason="all that it needs is there by name; its bytes are unread"
    )
