"""Does a restored server keep to itself? What it was told to be, and what it answered when it was asked.

Pure. What could not be asked is *unknown*, and unknown is never isolated. A setting is told to a server of drbook's own
at each start, on its command line, which what is restored cannot change.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from drbook.core.terms import ADMIN, LOADER, READER
from drbook.core.values import Frozen, counted, plain

FORCED: Mapping[str, str] = {
    "archive_mode": "off",
    "listen_addresses": "",
    "primary_conninfo": "",
    "synchronous_standby_names": "",
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
}
"""Settings that keep a server to itself, whoever starts it again."""

ASKED = (*FORCED, "archive_command", "archive_library", "event_triggers")

_DISABLED = ("", "(disabled)")
_SINCE = {"primary_conninfo": 12, "archive_library": 15, "event_triggers": 17}
"""The first major version that has a setting."""
_REACHING = frozenset({"dblink", "postgres_fdw", "file_fdw"})
_SCHEDULERS = frozenset({"pg_cron", "pgagent", "pg_timetable"})
_OURS = frozenset({"", ADMIN, LOADER, READER})
"""Whose user mapping a session of drbook's could use; the empty name is everybody's."""
_USUAL = frozenset(
    {
        "client backend",
        "autovacuum launcher",
        "autovacuum worker",
        "background writer",
        "checkpointer",
        "walwriter",
        "logger",
        "io worker",
        "parallel worker",
        "startup",
        "standalone backend",
    }
)
"""Kinds of processes that a server which keeps to itself has (pg_stat_activity, `backend_type`)."""


def forced(major: int) -> Mapping[str, str]:
    """What a server of this major version is told."""
    told = {name: value for name, value in FORCED.items() if major >= _SINCE.get(name, 0)}
    return told | ({"event_triggers": "off"} if major >= _SINCE["event_triggers"] else {})


class ForeignServer(Frozen):
    name: str
    wrapper: str
    mapped: tuple[str, ...] = ()
    """Logins that have a user mapping for it; the empty name is everybody's."""


class ServerSaid(Frozen):
    """What the server answered; None where it could not be asked."""

    major: int
    settings: Mapping[str, str | None]
    subscriptions: Mapping[str, bool] | None = None
    """Of this database: name → whether it is enabled."""
    foreign: tuple[ForeignServer, ...] | None = None
    logins: tuple[str, ...] = ()
    """By which drbook comes to it, as far as they are named."""
    event_triggers: tuple[str, ...] | None = None
    """Those that are enabled."""
    extensions: tuple[str, ...] | None = None
    schemas: tuple[str, ...] | None = None
    """Of schedulers that come without an extension."""
    workers: tuple[str, ...] | None = None
    """Kinds of its processes."""
    untrusted: Mapping[str, int] | None = None
    """Language → functions that are written in it, of those that can do all that the server can."""


class IsolationCheck(Frozen):
    what: str
    asked: str
    """What it was told to be, or what must be so; empty where nothing was forced."""
    said: str
    state: Literal["isolated", "open", "unknown"]


class Isolation(Frozen):
    """Whether a target keeps to itself, as far as its server says."""

    own_server: bool
    """True for a server of drbook's own; on a given one nothing can be forced."""
    checks: tuple[IsolationCheck, ...]
    not_prevented: tuple[str, ...] = ()
    """What stays possible, in sentences."""

    @property
    def state(self) -> Literal["isolated", "open", "unknown"]:
        states = {one.state for one in self.checks}
        if "open" in states:
            return "open"
        return "unknown" if "unknown" in states or not self.checks else "isolated"

    def of_state(self, state: str) -> tuple[IsolationCheck, ...]:
        return tuple(one for one in self.checks if one.state == state)

    def show(self) -> str:
        """In a sentence without its full stop."""
        if self.state == "isolated":
            return f"isolated: {counted(len(self.checks), 'point')} asked back from the server"
        parts = [f"{one.what}: {plain(one.said, 200)}" for one in self.of_state("open")]
        unknown = ", ".join(one.what for one in self.of_state("unknown"))
        if unknown or not self.checks:
            parts.append(f"could not be asked: {unknown or 'anything'}")
        whose = "" if self.own_server else " (a given server, where nothing can be forced)"
        return f"NOT known to be isolated{whose}: {'; '.join(parts)}"


def judge(said: ServerSaid, *, own_server: bool) -> Isolation:
    """What the answers come to."""
    checks = [
        _setting(name, said)
        for name in ASKED
        if said.major >= _SINCE.get(name, 0) and name != "event_triggers"
    ]
    checks += [
        _subscriptions(said),
        _foreign(said),
        _event_triggers(said),
        _jobs(said),
        _workers(said.workers),
    ]
    return Isolation(
        own_server=own_server,
        checks=tuple(checks),
        not_prevented=tuple(_possible(said, own_server)),
    )


def wrong(settings: Mapping[str, str | None], major: int) -> list[str]:
    """Forced settings that the server does not have, in words; one that was not told is wrong."""
    return [
        f"{name} is {'not known' if (found := settings.get(name)) is None else repr(plain(found, 60))}"
        for name, value in forced(major).items()
        if settings.get(name) != value
    ]


def _setting(name: str, said: ServerSaid) -> IsolationCheck:
    wanted, found = FORCED.get(name, ""), said.settings.get(name)
    allowed = _DISABLED if name not in FORCED else (wanted,)
    if (
        name in ("archive_command", "archive_library")
        and said.settings.get("archive_mode") == "off"
    ):
        allowed = (found or "",)  # nothing of it is run
    return _check(name, wanted, found, None if found is None else found in allowed)


def _check(what: str, asked: str, said: str | None, good: bool | None) -> IsolationCheck:
    if good is None or said is None:
        return IsolationCheck(what=what, asked=asked, said="could not be asked", state="unknown")
    shown = plain(said, 300) or "(empty)"
    return IsolationCheck(what=what, asked=asked, said=shown, state="isolated" if good else "open")


def _subscriptions(said: ServerSaid) -> IsolationCheck:
    """An enabled one follows its publisher as soon as a worker may start."""
    what, asked = "subscriptions", "none that is enabled and may run"
    if said.subscriptions is None:
        return _check(what, asked, None, None)
    enabled = sorted(name for name, on in said.subscriptions.items() if on)
    none_runs = said.settings.get("max_logical_replication_workers") == "0"
    words = _names(enabled) + (" enabled" if enabled else "")
    if enabled and none_runs:
        words += ", and no worker may start for them"
    return _check(what, asked, words, not enabled or none_runs)


def _foreign(said: ServerSaid) -> IsolationCheck:
    """Without a user mapping nobody is connected to one (postgres_fdw, dblink)."""
    what, asked = "foreign servers", "none that a login of drbook's has a user mapping for"
    if said.foreign is None:
        return _check(what, asked, None, None)
    ours = _OURS | set(said.logins)
    usable = [one.name for one in said.foreign if ours & set(one.mapped)]
    words = _names([f"{one.name} ({one.wrapper})" for one in said.foreign])
    if usable:
        words += f"; with a user mapping that is anybody's or drbook's: {_names(usable)}"
    elif said.foreign:
        words += f"; no user mapping for everybody or for {_names(sorted(ours - {''}))}"
    return _check(what, asked, words, not usable)


def _event_triggers(said: ServerSaid) -> IsolationCheck:
    what, asked = "event triggers", "none that fires"
    if said.event_triggers is None:
        return _check(what, asked, None, None)
    off = said.settings.get("event_triggers") == "off"
    words = _names(said.event_triggers) + (
        ", switched off in the server" if off and said.event_triggers else ""
    )
    return _check(what, asked, words, off or not said.event_triggers)


def _jobs(said: ServerSaid) -> IsolationCheck:
    """pg_cron runs where its library is loaded at the start; the others are programs of their own, which have
    to reach the server."""
    what, asked = "scheduled jobs", "nothing that could start them"
    if said.extensions is None or said.schemas is None:
        return _check(what, asked, None, None)
    found = sorted((set(said.extensions) | set(said.schemas)) & _SCHEDULERS)
    loaded = said.settings.get("shared_preload_libraries")
    closed = said.settings.get("listen_addresses") == ""
    if not found:
        return _check(what, asked, "no scheduler is in it", True)
    if loaded is None:
        return _check(what, asked, None, None)
    quiet = "pg_cron" not in loaded and closed
    words = f"{_names(found)}; " + (
        "its library is not loaded, and no agent reaches the server" if quiet else "they may run"
    )
    return _check(what, asked, words, quiet)


def _workers(workers: tuple[str, ...] | None) -> IsolationCheck:
    what, asked = "processes", "only the server's own"
    if workers is None:
        return _check(what, asked, None, None)
    strange = sorted(set(workers) - _USUAL)
    return _check(what, asked, _names(strange) if strange else "only the server's own", not strange)


def _possible(said: ServerSaid, own_server: bool) -> Iterable[str]:
    """What is not prevented, said whether or not it is there."""
    if said.untrusted is None:
        yield "Whether it holds functions in untrusted languages could not be asked"
    elif said.untrusted:
        found = ", ".join(
            f"{plain(name, 63)} ({counted(count, 'function')})"
            for name, count in sorted(said.untrusted.items())
        )
        yield f"Functions in untrusted languages can connect anywhere where something calls them: {found}"
    else:
        yield (
            "A function in an untrusted language could connect anywhere; none is in it beside those of "
            "extensions"
        )
    reaching = sorted(set(said.extensions or ()) & _REACHING)
    if reaching:
        yield f"Extensions that reach outside are in it, and what calls them does so: {_names(reaching)}"
    if not own_server:
        yield (
            "The server is somebody else's: it archives, replicates and listens as it does for its other "
            "databases"
        )


def _names(found: Iterable[str]) -> str:
    names = [plain(one, 63) for one in found]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more if names else "none"
