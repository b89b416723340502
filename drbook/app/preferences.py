"""What an operator likes: theme, bell, motion. A small file under the state directory, which nothing
depends on: one that cannot be read or written is as good as none."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from drbook.app.places import Home, home
from drbook.core.errors import DrbookError
from drbook.providers import private

FILE = "settings.json"
THEMES = ("dark", "light", "high-contrast")
BELL_AFTER = 60
_NO = ("", "0", "no", "off", "false", "never")


@dataclass(frozen=True, slots=True)
class Preferences:
    """As the file and the environment say; the environment wins and is not remembered."""

    theme: str = THEMES[0]
    bell: int = BELL_AFTER
    """Seconds that a step has to take for its end to ring the terminal's bell; 0 for never."""
    still: bool = False
    """Nothing moves by itself."""


def preferences(environment: Mapping[str, str] = os.environ) -> Preferences:
    """`DRBOOK_THEME`, `DRBOOK_BELL` (`off`, or a duration like `30s`) and `DRBOOK_REDUCED_MOTION` over
    what is remembered. What is not understood is passed over."""
    known = _remembered(environment)
    theme = environment.get("DRBOOK_THEME", "").strip().lower().replace(" ", "-").replace("_", "-")
    if theme in THEMES:
        known = replace(known, theme=theme)
    if (bell := environment.get("DRBOOK_BELL")) is not None:
        with suppress(ValueError):
            known = replace(known, bell=_bell(bell))
    still = environment.get("DRBOOK_REDUCED_MOTION", "").strip().lower() not in _NO
    still = still or environment.get("TEXTUAL_ANIMATIONS", "").strip().lower() == "none"
    return replace(known, still=still)


def remember(
    *,
    theme: str | None = None,
    bell: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> bool:
    """Keep a choice for the next start; False where that cannot be done, which stops nobody."""
    known = _remembered(environment)
    chosen = replace(
        known,
        theme=known.theme if theme is None else theme,
        bell=known.bell if bell is None else bell,
    )
    try:
        folder = home(environment).path
        private.folders(folder)
        with private.replace(folder / FILE) as stream:
            json.dump({name: asdict(chosen)[name] for name in ("theme", "bell")}, stream)
    except (OSError, DrbookError):
        return False
    return True


def _remembered(environment: Mapping[str, str]) -> Preferences:
    found = Preferences()
    try:
        where: Home = home(environment)
        document = json.loads(private.read(where.path / FILE, 65_536))
    except (OSError, ValueError, RecursionError, DrbookError):
        return found
    if not isinstance(document, dict):
        return found
    theme, bell = document.get("theme"), document.get("bell")
    if theme in THEMES:
        found = replace(found, theme=theme)
    if isinstance(bell, int) and not isinstance(bell, bool) and 0 <= bell <= 86_400:
        found = replace(found, bell=bell)
    return found


def _bell(text: str) -> int:
    if text.strip().lower() in _NO:
        return 0
    if text.strip().lower() in ("on", "yes", "true"):
        return BELL_AFTER
    from drbook.core.values import parse_duration  # the first frame pays for no models

    return max(1, int(parse_duration(text) / timedelta(seconds=1)))
