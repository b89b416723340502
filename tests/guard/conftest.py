"""The guard's tests use the providers' real servers."""

from providers.conftest import postgres, reader, tools

__all__ = ["postgres", "reader", "tools"]
