"""To which moment a physical copy is rolled forward: the last one that is still wanted."""

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from drbook.core.values import Frozen, UtcTime, show_time

_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


def _lsn(text: str) -> str:
    if not _LSN.fullmatch(text):
        raise ValueError("a place in the WAL like 0/3000148")
    return text.upper()


Lsn = Annotated[str, AfterValidator(_lsn)]


class RecoveryAim(Frozen):
    """Exactly one of the ways in which PostgreSQL can be told where to stop (its manual, "Recovery Target").

    What stands exactly at the aim is left out, so that naming the statement that destroyed the data
    stops right before it; `inclusive` keeps it.
    """

    time: UtcTime | None = None
    """Before the first commit at or after this moment."""
    lsn: Lsn | None = None
    """Before the record that begins here."""
    xid: int | None = Field(default=None, ge=3, lt=2**32)
    """Before this transaction's commit."""
    name: str | None = Field(default=None, min_length=1, max_length=63)
    """At a restore point that was made by this name; there is nothing to leave out."""
    end: bool = False
    """All of the WAL that the archive has, whatever it says."""
    consistent: bool = False
    """No further than the copy's own end."""
    inclusive: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.time, self.lsn, self.xid, self.name, self.end or None, self.consistent or None]
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give exactly one of time, lsn, xid, name, end or consistent")
        if self.inclusive and (self.end or self.consistent or self.name is not None):
            raise ValueError("inclusive belongs to time, lsn or xid")
        return self

    def settings(self) -> Mapping[str, str]:
        """The server's settings that say so."""
        found = {"recovery_target_inclusive": "on" if self.inclusive else "off"}
        if self.time is not None:
            found["recovery_target_time"] = self.time.isoformat(sep=" ")
        elif self.lsn is not None:
            found["recovery_target_lsn"] = self.lsn
        elif self.xid is not None:
            found["recovery_target_xid"] = str(self.xid)
        elif self.name is not None:
            found["recovery_target_name"] = self.name
        elif self.consistent:
            found["recovery_target"] = "immediate"
        return found

    def show(self) -> str:
        """For people, after *rolled forward to* or *stops*."""
        edge = "up to and with" if self.inclusive else "right before"
        if self.time is not None:
            return f"{edge} {show_time(self.time)}"
        if self.lsn is not None:
            return f"{edge} {self.lsn}"
        if self.xid is not None:
            return f"{edge} transaction {self.xid}"
        if self.name is not None:
            return f"at the restore point {self.name}"
        return "at the copy's own end" if self.consistent else "at the end of the WAL"
