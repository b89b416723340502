"""The terminal application: the only room that knows Textual. It shows snapshots and sends commands."""
