"""What of a bucket's list is worth keeping: dumps and their manifests; of the rest, how many and where.

Entries come in the order of their keys and are not held on to, so that memory follows the number of
copies that are wanted and not that of the objects in the bucket.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drbook.providers.naming import MANIFEST, is_dump, is_manifest, taken

FOLDERS_COUNTED = 20
"""Folders of which it is said how much lies in them that is no dump; the rest is one figure."""
DIRECTORIES_NAMED = 5


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one key."""

    key: str
    version: str | None
    size: int
    stored_at: datetime
    etag: str
    latest: bool


@dataclass(slots=True)
class Listing:
    """The newest dumps and their manifests under a prefix, at one moment."""

    dumps: list[Stored] = field(default_factory=list)
    """Newest first, by name and store."""
    manifests: dict[str, list[Stored]] = field(default_factory=dict)
    """The described key → its manifest's versions."""
    markers: Mapping[str, str] = field(default_factory=dict)
    """Keys with a delete marker on top → the marker's own version id, empty where it has none."""
    versions_known: bool = False
    older: int = 0
    """Dumps that were seen and are older than all of `dumps`."""
    others: Mapping[str, int] = field(default_factory=dict)
    """Folder below the prefix → current objects in it that are not named like dumps."""
    elsewhere: int = 0
    """The same of all folders that `others` does not name."""
    directories: tuple[str, ...] = ()
    """Some of the folders that hold a dump in directory format."""
    directory_count: int = 0
    prefixes: tuple[str, ...] = ()
    """Those that were listed, in that order."""
    _held: frozenset[tuple[str, str | None]] = field(init=False)

    def __post_init__(self) -> None:
        self._held = frozenset((each.key, each.version) for each in self.dumps)

    def hidden(self, key: str) -> bool | None:
        return key in self.markers if self.versions_known else None

    def holds(self, key: str, version: str | None) -> bool:
        return (key, version) in self._held

    def manifest_of(self, dump: Stored) -> Stored | None:
        """The manifest version that was stored nearest to the dump: a pair is written together."""
        return min(
            self.manifests.get(dump.key, ()),
            key=lambda found: abs(found.stored_at - dump.stored_at),
            default=None,
        )


@dataclass(slots=True)
class _Perhaps:
    """A key that is a dump if its manifest follows."""

    key: str
    versions: list[Stored] = field(default_factory=list)
    marker: str | None = None


class Sieve:
    """Takes what a store lists, and gives the `Listing` at the end."""

    def __init__(
        self, keep: int, prefix: str, *, only: str | None = None, patient: bool = False
    ) -> None:
        """`keep` newest dumps stay; the key `only` is one whatever its name. A `patient` sieve forgets
        nothing before the end, for a store that does not list in the order of keys."""
        self._keep = keep
        self._prefix = prefix
        self._only = only
        self._patient = patient
        self._dumps: list[Stored] = []
        self._held: Counter[str] = Counter()
        self._manifests: dict[str, list[Stored]] = {}
        self._markers: dict[str, str] = {}
        self._perhaps: dict[str, _Perhaps] = {}
        self._orphans: dict[str, list[Stored]] = {}
        self._others: Counter[str] = Counter()
        self._elsewhere = 0
        self._directories: list[str] = []
        self._directory_count = 0
        self._older = 0
        self._last = ""
        self._unordered = False
        self._missed = False

    @property
    def full(self) -> bool:
        """True where there are as many dumps as are wanted."""
        return len(self._dumps) >= self._keep

    @property
    def missed(self) -> bool:
        """True where a dump without a dump's name may have been taken for something else: a patient one
        has to look again."""
        return self._missed and self._unordered and not self._patient

    def begin(self) -> None:
        """Another prefix is listed from here on."""
        self._settle("")
        self._last = ""

    def stored(self, each: Stored) -> None:
        self._come_to(each.key)
        if is_manifest(each.key):
            self._manifest(each)
        elif self._is_dump(each.key):
            self._dump(each)
        elif not each.key.endswith("/"):
            self._perhaps.setdefault(each.key, _Perhaps(each.key)).versions.append(each)

    def marked(self, key: str, version: str) -> None:
        """A delete marker is the newest version of this key."""
        self._come_to(key)
        if self._is_dump(key):
            self._mark(key, version)
        elif not is_manifest(key):
            self._perhaps.setdefault(key, _Perhaps(key)).marker = version

    def listing(self, *, versions_known: bool, prefixes: tuple[str, ...] = ()) -> Listing:
        for described, stored in self._orphans.items():
            for each in stored:
                self._described(described, each)
        self._settle("")
        self._cut()
        return Listing(
            self._dumps,
            self._manifests,
            self._markers,
            versions_known,
            self._older,
            dict(self._others.most_common()),
            self._elsewhere,
            tuple(self._directories),
            self._directory_count,
            prefixes,
        )

    def _come_to(self, key: str) -> None:
        self._unordered = self._unordered or key < self._last
        self._last = key
        if not self._patient:
            self._settle(key)

    def _settle(self, key: str) -> None:
        """A manifest's key begins with the key that it describes, so that all between them do."""
        if not self._perhaps:
            return
        for name in [name for name in self._perhaps if not (key and key.startswith(name))]:
            left = self._perhaps.pop(name)
            if any(each.latest for each in left.versions):
                self._other(name)

    def _other(self, key: str) -> None:
        if key.endswith("/toc.dat"):
            self._directory_count += 1
            if len(self._directories) < DIRECTORIES_NAMED:
                self._directories.append(key.removesuffix("toc.dat"))
            return
        head, slash, _ = key.removeprefix(self._prefix).partition("/")
        folder = self._prefix + head + "/" if slash else self._prefix
        if folder not in self._others and len(self._others) >= FOLDERS_COUNTED:
            self._elsewhere += 1
        else:
            self._others[folder] += 1

    def _manifest(self, each: Stored) -> None:
        described = each.key.removesuffix(MANIFEST)
        if self._patient:
            self._orphans.setdefault(described, []).append(each)
        else:
            self._described(described, each)

    def _described(self, described: str, each: Stored) -> None:
        if (found := self._perhaps.pop(described, None)) is not None:
            for version in found.versions:
                self._dump(version)
            if found.marker is not None:
                self._mark(described, found.marker)
        if described in self._held:
            self._manifests.setdefault(described, []).append(each)
        else:
            self._missed = True

    def _is_dump(self, key: str) -> bool:
        return is_dump(key) or key == self._only

    def _mark(self, key: str, version: str) -> None:
        self._markers[key] = version
        if len(self._markers) >= 2 * self._keep + 1000:
            # Those of which no version is kept hide nothing; the versions of the last key may follow.
            self._markers = {
                name: version
                for name, version in self._markers.items()
                if name in self._held or name == key
            }

    def _dump(self, each: Stored) -> None:
        self._dumps.append(each)
        self._held[each.key] += 1
        if len(self._dumps) >= 2 * self._keep + 1000:
            self._cut()

    def _cut(self) -> None:
        self._dumps.sort(key=_moment, reverse=True)
        for each in self._dumps[self._keep :]:
            self._older += 1
            self._held[each.key] -= 1
            if not self._held[each.key]:
                del self._held[each.key]
                self._manifests.pop(each.key, None)
                self._markers.pop(each.key, None)
        del self._dumps[self._keep :]


def _moment(each: Stored) -> tuple[datetime, datetime]:
    return taken(each.key, each.stored_at, None, "store").at, each.stored_at
