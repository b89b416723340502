"""What a server has beside its databases, as `pg_dumpall --globals-only` tells it: its roles."""

from drbook.core.values import Frozen, counted, plain


class GlobalRole(Frozen):
    """One role. Its password is not kept: only that there is one."""

    name: str
    attributes: tuple[str, ...] = ()
    """Of LOGIN, SUPERUSER, CREATEDB, CREATEROLE, REPLICATION, BYPASSRLS, NOINHERIT and, in their own words,
    `CONNECTION LIMIT …`, `VALID UNTIL …` and `a password`."""
    settings: tuple[str, ...] = ()
    """The names of what `ALTER ROLE … SET` sets for it, or `NAME in DATABASE`; values may be secrets, and
    are not kept."""

    @property
    def left(self) -> tuple[str, ...]:
        """What it has on production and does not get beside a target: everything that makes it able."""
        able = tuple(each for each in self.attributes if each != "NOINHERIT")
        return (*able, *(f"SET {name}" for name in self.settings))


class Membership(Frozen):
    """`member` is in `group`."""

    group: str
    member: str
    admin: bool = False


class Globals(Frozen):
    """The roles of a globals file, and what it says that is not about roles."""

    location: str
    """The file, for people."""
    sha256: str
    """Of its bytes, as they were read."""
    roles: tuple[GlobalRole, ...] = ()
    memberships: tuple[Membership, ...] = ()
    others: tuple[str, ...] = ()
    """The first words of statements about something else (tablespaces, rights on settings), each once."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(role.name for role in self.roles)

    def left(self) -> tuple[str, ...]:
        """What is given back before production runs on the restored database, role by role."""
        found = [
            f"{plain(role.name, 63)}: {', '.join(plain(each, 120) for each in role.left)}"
            for role in self.roles
            if role.left
        ]
        found += [
            f"{plain(each.member, 63)}: member of {plain(each.group, 63)}"
            for each in self.memberships
            if each.group not in self.names
        ]
        return tuple(found)

    def summary(self) -> str:
        """One sentence."""
        able = sum("LOGIN" in role.attributes for role in self.roles)
        return f"{counted(len(self.roles), 'role')} in {plain(self.location, 200)}, {able} of them with login"
