"""Logins of PostgreSQL that were found: which server each is for, and what its answer means for production.

Pure: where a password lies and which servers the runbook and service files name go in, logins to ask come out;
answers go in, powers come out. A password file may leave parts open (`*`): they are filled from servers that
are known, never guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from drbook.core.baseline import Identity
from drbook.core.credentials import PRODUCTION, Might, Power
from drbook.core.points import Basis
from drbook.core.roles import RoleFacts
from drbook.core.values import Frozen, plain

PORT = "5432"
"""Where a server listens if nothing says otherwise."""
MOST_SERVERS = 4
"""Servers at which one open entry is asked."""


class Login(Frozen):
    """Who opens what, as the place of a password says it; the password is not in it. Empty is not said."""

    host: str = ""
    """Name, address or socket directory; several with commas, as libpq takes them."""
    port: str = ""
    database: str = ""
    user: str = ""
    options: Mapping[str, str] = {}
    """What it says of TLS, like `sslmode`."""
    open: bool = False
    """True where what is not said may be anything: a `*` of a password file, a bare `PGPASSWORD`."""

    @property
    def where(self) -> str:
        """For people."""
        return plain(f"{self.host}:{self.port or PORT}/{self.database or self.user}", 200)


class Server(Frozen):
    """A server that the runbook or a service file names."""

    name: str = ""
    """The service's; empty for the runbook's own parts."""
    host: str
    port: str = ""
    database: str = ""
    user: str = ""
    options: Mapping[str, str] = {}


def to_ask(login: Login, servers: Sequence[Server]) -> tuple[tuple[Login, ...], str]:
    """Whole logins, production's server first where it comes first in `servers`; else why there is none."""
    if not login.open:
        if not login.host:
            return (), "the place of this password names no server"
        if not login.user:
            return (), "the place of this password names no user"
        return (login.model_copy(update={"port": login.port or PORT}),), ""
    found: dict[str, Login] = {}
    for server in servers:
        whole = _filled(login, server)
        if whole is not None:
            found.setdefault(f"{whole.where} {whole.user}", whole)
    if not found and login.host and login.port and login.database and login.user:
        return (login,), ""
    if not found:
        return (), "it holds for servers that neither the runbook nor a service names"
    return tuple(found.values())[:MOST_SERVERS], ""


def _filled(login: Login, server: Server) -> Login | None:
    """None where that server, or its database, is another one than the entry says."""
    parts = {}
    theirs = {"port": server.port or PORT, "database": server.database or server.user}
    for name, their in (
        ("host", server.host),
        ("user", server.user),
        *theirs.items(),
    ):
        ours = getattr(login, name)
        if name != "user" and ours and their and not _same(name, ours, their):
            return None
        if not (ours or their):
            return None
        parts[name] = ours or their
    return login.model_copy(update=parts | {"options": dict(server.options)})


def _same(name: str, ours: str, theirs: str) -> bool:
    """A password file says `localhost` for a Unix socket too (PostgreSQL's manual, 32.16)."""
    if name != "host":
        return ours == theirs
    local = ours.lower() == "localhost" and theirs.startswith("/")
    return local or ours.lower() == theirs.lower()


class Asked(Frozen):
    """What came of one session with a login."""

    login: Login
    outcome: Literal["told", "refused", "unknown", "unasked"]
    """Refused only where the server itself says that it does not let this login in."""
    why: str = ""
    silent: bool = False
    """True where no server answered at all."""
    facts: RoleFacts | None = None
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Production:
    """What is known of production's server."""

    live: Identity | None = None
    """As it answered just now."""
    proven: Sequence[Identity] = field(default_factory=tuple)
    """Its own, from baselines."""
    address: Server | None = None
    """As the runbook writes it."""


def is_production(asked: Asked, known: Production) -> bool | None:
    """Whether that is production's server; None where nobody knows. A physical copy has production's system
    identifier, and another start."""
    found = asked.identity
    if found is None:
        return None
    live = known.live
    if live is not None:
        if live.system_identifier != found.system_identifier:
            return False
        if live.started_at is not None and live.started_at == found.started_at:
            return True
        return None
    at, proven = known.address, {one.system_identifier for one in known.proven}
    there = at is not None and _at(asked.login, at)
    if proven and found.system_identifier not in proven:
        return None if there else False
    return True if there else None


def _at(login: Login, server: Server) -> bool:
    same = login.host.lower() == server.host.lower()
    return same and (login.port or PORT) == (server.port or PORT)


def elsewhere(asked: Asked, known: Production) -> Login | None:
    """The same login for production's own database, where it opened another one of that server."""
    wanted = known.live.database if known.live is not None else ""
    if not wanted and known.address is not None:
        wanted = known.address.database
    if not wanted or asked.identity is None or asked.identity.database == wanted:
        return None
    if not is_production(asked, known):
        return None
    return asked.login.model_copy(update={"database": wanted})


def power_of(asked: Asked, known: Production, inside: Asked | None = None) -> Power:
    """What it can do to production's data. `inside` is what production's own database answered, where it
    opened another one of that server first."""
    might, reason = _judged(asked, known, inside)
    basis = Basis.NONE if might is Might.UNKNOWN else Basis.OBSERVED
    return Power(thing=PRODUCTION, might=might, basis=basis, reason=plain(reason, 400))


def _judged(asked: Asked, known: Production, inside: Asked | None) -> tuple[Might, str]:
    where, facts = asked.login.where, asked.facts
    if asked.outcome == "refused":
        return Might.CANNOT, f"does not open {where}: {asked.why}"
    if asked.outcome == "unasked":
        return Might.UNKNOWN, f"{where} was not asked: {asked.why}"
    if asked.outcome == "unknown" or facts is None:
        return Might.UNKNOWN, f"{where} was asked, and: {asked.why or 'it told nothing'}"
    is_it = is_production(asked, known)
    if is_it is None:
        can = facts.destroys or facts.doubts or facts.harmless
        return Might.UNKNOWN, f"it {can}, at {where}; whether that is production is not known"
    if not is_it:
        return _at_another(facts, where)
    if inside is None:
        return _in_it(facts, where)
    if inside.outcome == "told" and inside.facts is not None:
        return _in_it(inside.facts, inside.login.where)
    if facts.everywhere:
        return Might.DESTROYS, f"it {facts.everywhere}, as {where} says"
    return (
        Might.UNKNOWN,
        f"it opens {where}, on production's server; of its own database: {inside.why}",
    )


def _in_it(facts: RoleFacts, where: str) -> tuple[Might, str]:
    if facts.destroys:
        return Might.DESTROYS, f"it {facts.destroys}, as {where} says"
    if facts.doubts:
        return Might.UNKNOWN, f"it {facts.doubts}, as {where} says"
    return Might.CANNOT, f"it {facts.harmless}, as {where} says"


def _at_another(facts: RoleFacts, where: str) -> tuple[Might, str]:
    """Another server's data is not production's; what runs on its machine may reach further."""
    can = facts.destroys or facts.doubts or facts.harmless
    if facts.everywhere:
        return (
            Might.UNKNOWN,
            f"it {can}, at {where}, which is not production's server; "
            "what it reaches from that machine was not asked",
        )
    return Might.CANNOT, f"it opens {where}, which is not production's server; there it {can}"


def worst(powers: Sequence[Power]) -> Power | None:
    """Of all logins with one password: what destroys, else what nobody knows."""
    for might in (Might.DESTROYS, Might.UNKNOWN, Might.CANNOT):
        found = next((one for one in powers if one.might is might), None)
        if found is not None:
            return found
    return None
