"""What a command, a query or a request of the operator's own handed back, in parts that can be shown.

Screen and exports read the same parts. What they hold is as recorded: whoever shows it makes it plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from drbook.core.results import HTTP, SHELL, SQL, SqlResult, read_result
from drbook.core.targets import HttpResult, ProcessResult
from drbook.core.values import Json, counted, plain, plain_lines

LONGEST = 64 * 1024
"""Characters of rows that exports show; texts are no longer as they are recorded."""
CELL = 300
"""Characters of one value that are shown."""
NULL = "NULL"


@dataclass(frozen=True, slots=True)
class Printed:
    """A text and what it is: `standard error`."""

    label: str
    text: str

    @property
    def lines(self) -> tuple[str, ...]:
        """Each line made plain; an empty text has none."""
        return tuple(plain_lines(self.text, 4000).split("\n")) if self.text else ()


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query answered. A value of None is NULL."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    more: bool
    """True where the database has rows beyond them."""

    @property
    def label(self) -> str:
        more = ", and there are more" if self.more else ""
        return f"{counted(len(self.rows), 'row')}{more}"

    def shown(self) -> tuple[tuple[tuple[str, ...], ...], int]:
        """The first rows as plain cells, as far as exports show them, and how many are left out."""
        kept: list[tuple[str, ...]] = []
        length = 0
        for row in self.rows:
            cells = tuple(map(cell, row))
            length += sum(map(len, cells))
            if length > LONGEST:
                break
            kept.append(cells)
        return tuple(kept), len(self.rows) - len(kept)


Part = Printed | Rows


def parts_of(action: str, result: Json, *, failed: bool = False) -> tuple[Part, ...]:
    """What a recorded result holds for a person to read; nothing for other actions, and for a result that
    cannot be read. A command that failed says why on its standard error, which then comes first."""
    if action == SHELL and (ran := read_result(ProcessResult, result)) is not None:
        texts = [
            Printed(f"standard output{_cut('stdout' in ran.cut)}", ran.stdout),
            Printed(f"standard error{_cut('stderr' in ran.cut)}", ran.stderr),
        ]
        return tuple(part for part in _in_order(texts, failed) if part.text) or (
            Printed("it printed nothing", ""),
        )
    if action == SQL and (found := read_result(SqlResult, result)) is not None:
        return (Rows(found.columns, found.rows, found.truncated),)
    if action == HTTP and (answer := read_result(HttpResult, result)) is not None:
        empty = "" if answer.body else ", without a body"
        return (Printed(f"answer: status {answer.status}{empty}", answer.body),)
    return ()


def _cut(cut: bool) -> str:
    return ", its end alone (at most 64 KiB are kept)" if cut else ""


def _in_order(texts: Sequence[Printed], failed: bool) -> Sequence[Printed]:
    return texts[::-1] if failed else texts


def cell(value: str | None) -> str:
    """One value in a table: NULL, an empty text and a text that says NULL are told apart."""
    if value is None:
        return NULL
    if value in ("", NULL) or value.startswith("'"):
        return f"'{plain(value, CELL)}'"
    return plain(value, CELL)
