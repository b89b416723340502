"""The command palette: everything that a key does, by name."""

from collections.abc import Iterator

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider


class IncidentCommands(Provider):
    """Every binding of the current screen that says what it does."""

    def _bindings(self) -> Iterator[tuple[str, Binding]]:
        for binding in self.screen.BINDINGS:
            if isinstance(binding, Binding) and binding.description and binding.tooltip:
                yield f"{binding.tooltip}  ({binding.key_display or binding.key})", binding

    async def discover(self) -> Hits:
        for text, binding in self._bindings():
            yield DiscoveryHit(text, self._run(binding))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, binding in self._bindings():
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, matcher.highlight(text), self._run(binding))

    def _run(self, binding: Binding):  # type: ignore[no-untyped-def]
        async def act() -> None:
            await self.screen.run_action(binding.action)

        return act
