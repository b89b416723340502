"""A runbook's sources, each opened once and when first asked, from whatever thread that is."""

import threading
from collections.abc import Sequence

from drbook.core.errors import Cancelled, UsageError
from drbook.core.points import SourceConfig
from drbook.core.ports import Cancel
from drbook.core.values import plain
from drbook.providers.cancel import BranchToken
from drbook.providers.contained import Contained
from drbook.providers.secrets import Secrets
from drbook.providers.sources.base import OpenableSource, Opening


class OpenSources:
    """One source's opening, however long it takes, holds up nobody who asks another one."""

    def __init__(
        self,
        configs: Sequence[SourceConfig],
        secrets: Secrets,
        cancel: Cancel,
        *,
        readers_only: bool = False,
    ) -> None:
        self._configs = {config.id: config for config in configs}
        self._secrets = secrets
        self._readers_only = readers_only
        self._switches = {config.id: BranchToken(cancel) for config in configs}
        self._lock = threading.Lock()
        self._opened: dict[str, Contained] = {}
        self._closed = False

    def config(self, source: str) -> OpenableSource:
        """Raises UsageError where the runbook has no such source."""
        config = self._configs.get(source)
        if not isinstance(config, OpenableSource):
            raise UsageError(
                f"There is no backup source {plain(source, 100)} in this runbook.",
                next=f"Name one of: {', '.join(self._configs) or 'none is configured'}.",
            )
        return config

    def __call__(self, source: str) -> Contained:
        """The source, opened. Raises UsageError where it is not in the runbook or cannot be opened."""
        with self._lock:
            found = self._opened.get(source)
        if found is not None:
            return found
        config = self.config(source)
        opening = Opening(self._secrets, self._switches[source], self._readers_only)
        made = Contained.open(config, opening)
        with self._lock:
            closed = self._closed
            kept = made if closed else self._opened.setdefault(source, made)
        if closed or kept is not made:
            made.close()
        if closed:
            raise Cancelled(f"{source} was opened when nobody asked for it any more.")
        return kept

    def give_up(self, source: str) -> None:
        """Ask what works at it to end."""
        if (switch := self._switches.get(source)) is not None:
            switch.request("cancel")

    def close(self) -> None:
        """What is opened later, by a thread that nobody waits for, is closed at once."""
        with self._lock:
            self._closed = True
            opened = list(self._opened.values())
            self._opened.clear()
        for switch in self._switches.values():
            switch.detach()
        for source in opened:
            source.close()
