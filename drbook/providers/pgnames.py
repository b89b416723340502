"""Names as the catalogue holds them.

A database without an encoding (SQL_ASCII) takes any bytes for a name. The server refuses a whole answer in
which one of them is no text, so there names are asked for as bytes; what is no UTF-8 is shown escaped, and
cannot be spoken of in a query.
"""

from collections.abc import Iterable

from drbook.providers.pgsession import Connection

NO_TEXT = (
    "its name is not UTF-8, and its database has no encoding (SQL_ASCII): it cannot be asked for"
)
COLUMN_NO_TEXT = "A column's name is not UTF-8: its rows are counted, and not hashed."

Raw = str | bytes


def as_asked(connection: Connection, name: str) -> str:
    """The expression by which a name is asked for: itself, or its bytes where they may be no text."""
    if connection.info.parameter_status("server_encoding") != "SQL_ASCII":
        return f"{name}::text"
    return f"pg_catalog.convert_to({name}::text, 'SQL_ASCII')"


def shown(name: Raw) -> str:
    """The name; what is not UTF-8 in it as `\\xe9`."""
    return name if isinstance(name, str) else name.decode("utf-8", "backslashreplace")


def is_text(names: Iterable[Raw]) -> bool:
    """Whether all of them can be written in a query."""
    try:
        for name in names:
            if isinstance(name, bytes):
                name.decode()
    except UnicodeDecodeError:
        return False
    return True
