"""What WAL-G's own settings file says, as far as drbook has to know it: where the store is, and which of its
values are secrets that nobody repeats."""

import json
import re
from collections.abc import Iterator, Mapping

from drbook.providers.hiding import Secret
from drbook.providers.sources.walg import is_secret

_SETTING = re.compile(
    r"""^[\s{,]*(?:export\s+)?["']?([A-Za-z][A-Za-z0-9_]*)["']?\s*[:=]\s*
        (?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"'#,}|>][^#,}\n]*))""",
    re.MULTILINE | re.VERBOSE,
)
_BLOCK = re.compile(
    r"^[ \t]*([A-Za-z]\w*):[ \t]*[|>][-+]?[ \t]*\n((?:[ \t]+\S.*\n?)+)", re.MULTILINE
)


def settings_in(text: str) -> Mapping[str, str]:
    """Names and values in JSON, YAML, TOML or an env file, as far as a line has both. Secrets become known."""
    found: dict[str, str] = {}
    for name, value in _pairs(text):
        if not is_secret(name):
            found[name.upper()] = value
        elif value:
            Secret(value)
    return found


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    try:
        read = json.loads(text)
    except ValueError:
        for name, doubled, single, bare in _SETTING.findall(text):
            value = doubled.replace("\\n", "\n").replace('\\"', '"') or single or bare.strip()
            yield name, value
        for name, block in _BLOCK.findall(text):
            yield name, "\n".join(line.strip() for line in block.splitlines())
    else:
        for name, value in read.items() if isinstance(read, dict) else ():
            yield str(name), value if isinstance(value, str) else json.dumps(value)
