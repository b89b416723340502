"""Running WAL-G: only what reads a store, and what its complaints mean.

Read from WAL-G's source at v3.0.9 and four commits behind it (`cmd/pg`, `cmd/common`, `internal`,
`pkg/storages`), and never from a real one. Its lists go to standard output, and what it has to say, a line
each with level and time, to standard error. Every error ends with 1, and a file of WAL that is not in the
archive with 74 (`cmd/pg/wal_fetch.go`); versions before that say so in the same words, and end with 1.

What is used of it is `backup-list`, `wal-show`, `wal-fetch`, `backup-fetch`, `st ls` and `st cat`. Of
`wal-verify` nothing is: it asks production where it stands. A store on a disk is looked at first, for WAL-G
makes the folders that it reads (`pkg/storages/fs/folder.go`, `GetSubFolder`): an empty mount point would
become an empty store. In its user's home WAL-G may note which compression it met last.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from drbook.core.errors import Interrupted, StepFailed
from drbook.core.ports import Cancel
from drbook.core.signals import Signal, Working
from drbook.core.values import plain
from drbook.providers.child import Environment
from drbook.providers.hiding import Secret, scrub
from drbook.providers.pgtools import ENGLISH
from drbook.providers.process import run
from drbook.providers.scratch import Scratch
from drbook.providers.secrets import Secrets
from drbook.providers.sources.walg import STORES, USUAL_SEGMENT, WalGSource
from drbook.providers.tool import Complaints, Failed, Tool, unfit
from drbook.providers.walgsettings import settings_in

BACKUPS, WAL = "basebackups_005", "wal_005"
"""The two folders of a store (`utility/utility.go`)."""
NOT_THERE = 74

_LEVEL = re.compile(r"^(ERROR|WARNING|INFO|DEBUG): (?:\d{4}/\d\d/\d\d [\d:.]+ )?")
_LARGEST = 1024 * 1024
_UNPACKABLE = re.compile(r"decompressor for extension '([^']*)' was not found")
_NO_WAL = re.compile(r"Archive '[^'\n]*' does not exist")
DAMAGE = re.compile(
    r"corrupted (?:chunk|libsodium header)|premature end|CRC check failed|checksum|magic number"
    r"|invalid input|corrupt|lz4: |zstd: |lzma: |brotli: |gzip: |invalid (?:block|frame|header)"
    r"|openpgp: (?:invalid|unsupported|signature|message)|hash mismatch",
    re.IGNORECASE,
)
"""What decrypting and unpacking say of bytes that they cannot take: damaged, or another key's."""
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (
        r"FS storage root directory doesn't exist|unable to list FS folder",
        "the store is not there",
        "Check its place, and whether its disk is mounted",
    ),
    (
        r"Failed to find any configured storage|No storage is configured",
        "its settings name no store",
        "Give a store like WALG_S3_PREFIX, or mend `config`",
    ),
    (
        r"InvalidAccessKeyId",
        "the store says that this access key does not exist",
        "Check the keys in `environment` or `config`",
    ),
    (
        r"AccessDenied|SignatureDoesNotMatch|ExpiredToken|NoCredentialProviders|Forbidden",
        "access is denied with these keys",
        "Check the keys in `environment` or `config`",
    ),
    (r"NoSuchBucket", "there is no such bucket", "Check the store's address"),
    (r"no alive storages", "none of its stores answers", "Look at the network and the store"),
    (
        r"[Pp]ermission denied",
        "its files may not be read by this user",
        "Run drbook as a user who may read the store",
    ),
    (
        r"unknown (?:command|flag|shorthand flag)",
        "this WAL-G does not know what it is asked",
        "Install WAL-G 3.0.9 or later, built for PostgreSQL",
    ),
    (
        r"openpgp: incorrect key|decryption (?:error|failed)",
        "it does not open with this key",
        "Look where this store's key is kept",
    ),
    (
        r"unable to read key from file|key length must not be less|during key transform"
        r"|no identity|private key|[Pp]assphrase",
        "its key cannot be used",
        "Look where this store's key is kept",
    ),
)


class NoFile(Failed):
    """The archive, which was asked, has no such file."""


class WalGComplaints(Complaints):
    """What WAL-G says on its standard error. Bytes that it cannot unpack it would hand out as they are."""

    def take(self, line: str) -> Signal | None:
        """Raises Failed where it lacks what they were packed with; an archive that is not packed ends in `.tar`."""
        found = _UNPACKABLE.search(line)
        if found is not None and found[1] != ".tar":
            raise unfit("unknown", f"this WAL-G cannot unpack {plain(found[1], 20)}")
        self.text = f"{self.text}{line}\n"[-16384:]
        return self.show(line)


class WalG(Tool):
    """WAL-G with one store. Raises UsageError where its secrets cannot be read."""

    name = "wal-g"
    package = "wal-g, built for PostgreSQL"

    def __init__(self, config: WalGSource, secrets: Secrets, cancel: Cancel) -> None:
        self._config = config
        self.cancel = cancel
        given = {name: secrets(reference) for name, reference in config.environment.items()}
        self._env: dict[str, str | Secret] = {**config.settings, **given, **ENGLISH}
        self._env |= {"WALG_LOG_LEVEL": "NORMAL", "WALG_LOG_DESTINATION": "stderr"}
        self._own: Scratch | None = None
        self._filed: Mapping[str, str] | None = None

    def close(self) -> None:
        if self._own is not None:
            self._own.cleanup()
            self._own = None

    @property
    def own(self) -> Path:
        """A private folder: settings that say nothing, and where fetched-ahead WAL would be looked for."""
        if self._own is None:
            self._own = Scratch("walg")
            Path(self._own.name, "settings.json").write_text("{}", encoding="ascii")
            Path(self._own.name, "ahead").mkdir(mode=0o700)
        return Path(self._own.name)

    # --- its settings --------------------------------------------------------------------------

    def _setting(self, name: str) -> str:
        """As WAL-G would find it; empty where it is not set. Raises Failed where `config` cannot be read."""
        return self._config.settings.get(name) or self._file().get(name, "")

    def _file(self) -> Mapping[str, str]:
        """What its own settings file says, as far as a line names a setting and its value. Every secret in
        it is known from then on, so that none is repeated."""
        if self._filed is None:
            self._filed = {}
            if self._config.config is not None:
                path = Path(self._config.config).expanduser()
                try:
                    with path.open("rb") as stream:
                        text = stream.read(_LARGEST).decode("utf-8", "replace")
                except OSError as error:
                    self._filed = None
                    raise Failed(
                        f"WAL-G's settings {plain(str(path), 200)} cannot be read: {error.strerror}",
                        "Look at the file, and who may read it",
                    ) from None
                self._filed = settings_in(text)
        return self._filed

    @property
    def segment(self) -> int:
        """Bytes of a WAL segment. Raises Failed."""
        said = self._setting("WALG_PG_WAL_SIZE") or str(USUAL_SEGMENT)
        if not re.fullmatch(r"1|2|4|8|16|32|64|128|256|512|1024", said):
            raise Failed(f"WALG_PG_WAL_SIZE is {plain(said, 20)}", "Mend it in `config`")
        return int(said) * 2**20

    def _store(self) -> str:
        """Where its store is, as its settings say; empty where they do not."""
        named = next((name for name in STORES if name in self._config.settings), "")
        found = self._config.settings.get(named, "")
        if not found:
            filed = [self._file()[name] for name in STORES if name in self._file()]
            found = filed[0] if len(filed) == 1 else ""
        return found.removeprefix("file://localhost")

    @property
    def where(self) -> str:  # type: ignore[override]
        """The store, for people, without a login. Raises Failed."""
        store, below = self._store(), self._setting("WALG_STORAGE_PREFIX").strip("/")
        if "://" in store:
            parts = urlsplit(store)
            store = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
        shown = f"{store}/{below}" if store and below else store
        return plain(shown, 300) or f"the store in {plain(self._config.config or '', 200)}"

    @property
    def folder(self) -> Path | None:
        """The store's folder where it is one that this machine sees. Raises Failed."""
        store, below = self._store(), self._setting("WALG_STORAGE_PREFIX").strip("/")
        return Path(store, below) if store.startswith("/") else None

    @property
    def local(self) -> bool:
        return self.folder is not None

    @property
    def resource(self) -> str | None:
        folder = self.folder
        if folder is not None:
            return os.path.realpath(folder)
        store = self._store()
        return urlsplit(store).hostname or None if "://" in store else None

    def there(self) -> None:
        """Raises Failed where its program is missing, or its folder does not look like a store."""
        self.program()
        folder = self.folder
        if folder is not None and not (folder / BACKUPS).is_dir():
            raise Failed(
                f"there is no store of WAL-G in {plain(str(folder), 300)}: {BACKUPS} is not there",
                "Check its place, and whether its disk is mounted",
            )

    def has_archive(self) -> None:
        """Raises Failed where the folder of its WAL is not there: WAL-G would make it, and find it empty."""
        folder = self.folder
        if folder is not None and not (folder / WAL).is_dir():
            raise Failed(
                f"{WAL} is not there in {plain(str(folder), 300)}",
                "Check the store's place, and whether its disk is mounted",
            )

    # --- asking it -----------------------------------------------------------------------------

    @contextmanager
    def at_hand(self, *arguments: str) -> Iterator[tuple[list[str], Environment]]:
        """A copy of other WAL that it fetched ahead is never taken, and it leaves no process behind that
        fetches more."""
        program = self.program()
        self._file()
        config = self._config.config
        file = str(Path(config).expanduser()) if config else str(self.own / "settings.json")
        env = {**self._env, "WALG_PREFETCH_DIR": str(self.own / "ahead")}
        if arguments[0] == "wal-fetch":
            env["WALG_DOWNLOAD_CONCURRENCY"] = "1"
        yield [program, "--config", file, *arguments], env

    def printed(self, *arguments: str, most: int = 64 * 1024 * 1024) -> bytes:
        """All that it prints. Raises Failed, also where that is more than `most` bytes."""
        out = bytearray()

        def take(chunk: bytes) -> None:
            if len(out) + len(chunk) > most:
                raise Failed(f"it prints more than {most} bytes", "See what it lists by hand")
            out.extend(chunk)

        self.ask(*arguments, take=take)
        return bytes(out)

    def fetch_wal(self, name: str, into: Path) -> None:
        """Raises NoFile where the archive has none of that name, Failed."""
        self.has_archive()
        self.ask("wal-fetch", name, str(into), take=lambda _: None)
        if not into.is_file():
            raise Failed(f"it ended well, and {plain(name, 60)} did not come", "Look again")

    def work(self, *arguments: str) -> Working[None]:
        """Run it for as long as it takes; somebody who waits for it can cancel it. Raises Failed, Cancelled."""
        complaints = self.complaints()

        def heard(_: str, line: str) -> Signal | None:
            return complaints.take(line)

        try:
            with self.at_hand(*arguments) as (argv, env):
                done = yield from run(argv, env=env, cancel=self.cancel, on_line=heard)
        except StepFailed as error:
            self.cancel.raise_if_requested()
            advice = error.next.rstrip(".") or f"Install {self.package}"
            if isinstance(error, Interrupted):
                advice = "Look at the store and its network"
            raise Failed(error.what.rstrip("."), advice) from None
        if done.exit_code != 0:
            raise self.failure(done.exit_code, complaints.text)

    def complaints(self) -> Complaints:
        return WalGComplaints(self.name)

    def failure(self, code: int, text: str) -> Failed:
        return explained(code, text)


def said(text: str) -> str:
    """Its last error, else the last line, without level and time."""
    lines = [line for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith("ERROR: ")] or lines
    return plain(scrub(_LEVEL.sub("", wrong[-1])), 300).rstrip(". ") if wrong else ""


def explained(code: int, text: str) -> Failed:
    """What an exit code and the complaints mean. `fact` is set where they are about the bytes."""
    words = said(text) or f"it ended with exit code {code} and said nothing"
    if code == NOT_THERE or _NO_WAL.search(text):
        return NoFile(words, "Look again")
    for pattern, meaning, advice in _MEANINGS:
        if re.search(pattern, text):
            return Failed(f"{meaning}: {words}", advice)
    wrong = [line for line in text.splitlines() if line.startswith("ERROR: ")]
    if any(DAMAGE.search(line) for line in wrong):
        return unfit("damaged", words)
    return Failed(words, "Look at the store's place, its network and its keys")
