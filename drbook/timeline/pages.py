"""What every self-contained page has in common: values lose their control characters, then are escaped."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from drbook.core.values import plain


def template(name: str, **filters: Callable[..., Any]) -> Template:
    """The template of that name in this package. A value that it does not know is an error."""
    environment = Environment(
        loader=PackageLoader("drbook.timeline", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    environment.filters.update(filters)
    return environment.get_template(name)


def _plain(value: object) -> object:
    """Every value that enters the page loses its control characters; then it is escaped."""
    return plain(value, 4000) if type(value) is str else value
