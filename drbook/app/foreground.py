"""The operator's shell and editor, for the screen, which starts no program itself."""

from drbook.providers.foreground import Left, edit, own_environment, shell

__all__ = ["Left", "editor", "operators_shell"]


def operators_shell(incident: str, folder: str) -> Left:
    """The operator's shell until it is left; it finds the incident in its environment."""
    return shell(own_environment(), DRBOOK_INCIDENT=incident, DRBOOK_INCIDENT_FOLDER=folder)


def editor(text: str) -> str:
    """The text as the operator's editor leaves it. Raises UsageError."""
    return edit(text, own_environment())
