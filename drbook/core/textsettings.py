"""With which settings for text a database is made, so that it is as its backup's was, where that can be."""

import re
from collections.abc import Callable

from drbook.core.archivefacts import DatabaseSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
"""Of a locale. It comes from an archive: nothing that could be a path or an option."""
_ICU_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_@=;-]{0,99}")
_ENCODING = re.compile(r"[A-Z][A-Z0-9_]{0,19}")
_CLIENTS_ONLY = frozenset({"BIG5", "GB18030", "GBK", "JOHAB", "SHIFT_JIS_2004", "SJIS", "UHC"})
"""Encodings that no database can have (PostgreSQL manual, table 24.1)."""
_BUILTIN = {"C": 17, "C.UTF-8": 17, "PG_UNICODE_FAST": 18}
"""The builtin provider's locales, with the major version that first had each."""


def usual(major: int, *, linux: bool = True) -> DatabaseSettings:
    """What a new cluster has where nothing else is known: UTF-8, sorted by code point."""
    if major >= 17:
        return DatabaseSettings(
            encoding="UTF8", provider="builtin", collate="C", ctype="C", locale="C.UTF-8"
        )
    name = "C.UTF-8" if linux else "C"
    return DatabaseSettings(encoding="UTF8", collate=name, ctype=name)


def acceptable(wanted: DatabaseSettings) -> bool:
    """Whether these can be asked of a server at all: an archive says what it likes."""
    if not _ENCODING.fullmatch(wanted.encoding) or wanted.encoding in _CLIENTS_ONLY:
        return False
    named = [wanted.collate, wanted.ctype]
    if not all(_NAME.fullmatch(name) for name in named):
        return False
    if wanted.provider == "icu":
        if len(wanted.rules) > 1000 or not wanted.rules.isprintable():
            return False
        return _ICU_NAME.fullmatch(wanted.locale) is not None
    return wanted.provider == "libc" or wanted.locale in _BUILTIN


def settings_for(
    wanted: DatabaseSettings | None,
    major: int,
    *,
    icu: bool | None,
    present: Callable[[str], bool],
    linux: bool = True,
) -> DatabaseSettings:
    """What a new cluster of this major version is made with: as wanted, or as near as it gets.

    `icu` says whether these programs have it, `present` whether this machine has a locale of libc.
    """
    default = usual(major, linux=linux)
    if wanted is None or not _ENCODING.fullmatch(wanted.encoding):
        return default
    if wanted.encoding in _CLIENTS_ONLY:
        return default
    near = (
        default
        if wanted.encoding == "UTF8"
        else DatabaseSettings(encoding=wanted.encoding, collate="C", ctype="C")
    )
    if not acceptable(wanted):
        return near
    if wanted.provider == "libc":
        return wanted if present(wanted.collate) and present(wanted.ctype) else near
    # With the other providers libc's locale decides little: C stands in for one that is not here.
    both = present(wanted.collate) and present(wanted.ctype)
    made = wanted if both else wanted.model_copy(update={"collate": "C", "ctype": "C"})
    if wanted.provider == "icu":
        return made if icu and major >= (16 if wanted.rules else 15) else near
    return made if major >= _BUILTIN[wanted.locale] else near
