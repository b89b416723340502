"""The command palette: everything that a key does, by name, on every screen."""

from collections.abc import Iterator

from textual.app import App
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.screen import Screen

Node = App[object] | Screen[object]


def explained(node: object) -> Iterator[Binding]:
    """Every binding of a screen or application that says what it does, the most particular first."""
    seen = set()
    for base in type(node).__mro__:
        if not base.__module__.startswith("drbook."):
            return  # Textual's own are named where they are ours
        for binding in base.__dict__.get("BINDINGS", ()):
            if isinstance(binding, Binding) and binding.tooltip and binding.action not in seen:
                seen.add(binding.action)
                yield binding
        if not getattr(base, "_inherit_bindings", True):
            return


def key_of(binding: Binding) -> str:
    return binding.key_display or binding.key.partition(",")[0]


class Commands(Provider):
    """What the current screen and the application can be asked."""

    def _bindings(self) -> Iterator[tuple[str, Node, Binding]]:
        for node in (self.screen, self.app):
            for binding in explained(node):
                yield f"{binding.tooltip}  ({key_of(binding)})", node, binding

    async def discover(self) -> Hits:
        for text, node, binding in self._bindings():
            yield DiscoveryHit(text, self._run(node, binding))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, node, binding in self._bindings():
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, matcher.highlight(text), self._run(node, binding))

    def _run(self, node: Node, binding: Binding):  # type: ignore[no-untyped-def]
        async def act() -> None:
            await node.run_action(binding.action)

        return act
