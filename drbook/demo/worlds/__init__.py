"""The scenarios of the demo, by name: each a module with its world and what must come out of it.

Naming them loads none: a world needs clients that `drbook demo --help` does not.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drbook.demo.story import Story

DEFAULT = "volume-deleted"

MODULES: Mapping[str, str] = {
    DEFAULT: "volume_deleted",
    "backups-on-the-volume": "backups_on_volume",
    "wrong-host-wiped": "wrong_host",
    "instance-destroyed": "instance_destroyed",
    "fabricated-rows": "fabricated_rows",
    "table-dropped": "table_dropped",
    "rows-overwritten": "rows_overwritten",
    "account-lost": "account_lost",
    "purging-backup-server": "purging_server",
}
"""By scenario: the module in this folder whose `STORY` it is, in the order in which they are told."""


def story(name: str) -> "Story":
    """Raises KeyError where there is none of that name."""
    found: Story = import_module(f"{__name__}.{MODULES[name]}").STORY
    return found
