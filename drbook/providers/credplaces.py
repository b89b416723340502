"""Where credentials usually lie, and which parser reads each place."""

import codecs
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from drbook.providers import credparse
from drbook.providers.credvalues import UNTOLD, Spotted, private_keys

Parser = Callable[[str], Iterable[Spotted]]


def text_of(data: bytes) -> tuple[str, str]:
    """A file's text, and what is odd about it: some programs write UTF-16, with a mark in front."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), ""
    text = data.decode("utf-8", "replace")
    odd = "it is no text, or in an encoding that is not read here" if "\0" in text else ""
    return text, odd


def plain_text(text: str) -> Iterator[Spotted]:
    yield from private_keys(text)
    yield from credparse.assignments(text)


def whole_or_lines(text: str) -> Iterator[Spotted]:
    """A file that the runbook names: variables by lines, or one line that is the secret itself."""
    found = list(plain_text(text))
    whole = text.strip("\ufeff\r\n ")
    if not found and whole and len(whole.splitlines()) == 1:
        found = [Spotted("secret of the runbook", "", whole, 1, UNTOLD)]
    yield from found


HOME_FILES: Sequence[tuple[str, Parser]] = (
    (".aws/credentials", credparse.aws),
    (".aws/config", credparse.aws),
    (".pgpass", credparse.pgpass),
    (".pg_service.conf", credparse.services),
    (".railway/config.json", credparse.railway),
    (".netrc", credparse.netrc),
    (".config/rclone/rclone.conf", credparse.rclone),
    (".kube/config", credparse.kube),
    (".bash_history", credparse.history),
    (".zsh_history", credparse.history),
    (".sh_history", credparse.history),
    (".psql_history", credparse.history),
)
"""Below the home folder, with what reads them."""
NAMED_FILES: Mapping[str, Parser] = {
    "AWS_SHARED_CREDENTIALS_FILE": credparse.aws,
    "AWS_CONFIG_FILE": credparse.aws,
    "PGPASSFILE": credparse.pgpass,
    "PGSERVICEFILE": credparse.services,
    "RCLONE_CONFIG": credparse.rclone,
    "HISTFILE": credparse.history,
}
"""Variables that name a file of the same kind."""
BY_NAME: Mapping[str, Parser] = {
    **{Path(name).name: parser for name, parser in HOME_FILES if Path(name).name != "config"},
    "pg_service.conf": credparse.services,
    ".gitlab-ci.yml": plain_text,
}
"""Names by which files below the given paths are known."""
DOTENV = re.compile(r"(?:.*\.env|\.env(?:[.-].*)?|\.envrc)\Z", re.DOTALL)
_WORKFLOW = re.compile(r".*\.ya?ml\Z", re.DOTALL)


def place(path: str | Path) -> Path:
    """The one way to write a file's path here: absolute, without `~` and `..`."""
    return Path(os.path.abspath(os.path.expanduser(path)))


def parser_of(path: Path) -> Parser | None:
    """What reads a file of that name; None for one that is not looked into."""
    if path.parent.name == "workflows" and path.parent.parent.name == ".github":
        return plain_text if _WORKFLOW.match(path.name) else None
    for name, parser in HOME_FILES:
        if path.parts[-2:] == Path(name).parts[-2:]:
            return parser
    return BY_NAME.get(path.name) or (plain_text if DOTENV.match(path.name) else None)
