"""A runbook's page for the night: its description, and whom to call. Printed, and shown on the screen."""

import textwrap

from drbook.core.runbook import Runbook
from drbook.core.values import plain

WIDTH = 76
"""Columns of a description: with its margin it fits a terminal of 80."""
LONGEST = 2000
"""Characters of one line that are shown."""


def page_of(runbook: Runbook) -> list[str]:
    """The title, the description and the contacts, line by line, safe to show."""
    document = runbook.document
    lines = [runbook.title]
    if document.description:
        lines.append("")
        lines += [f"  {line}".rstrip() for line in page_lines(document.description)]
    lines += [f"  call     {one.name}: {one.phone or one.reach}" for one in document.contacts]
    return [plain(line, LONGEST) for line in lines]


def page_lines(text: str) -> list[str]:
    """A description as its author broke it; a line that is longer than a small terminal is wrapped."""
    found: list[str] = []
    for line in text.strip().splitlines():
        begin = line[: len(line) - len(line.lstrip())]
        found += textwrap.wrap(line, WIDTH, subsequent_indent=begin) or [""]
    return found
