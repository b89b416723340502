"""Kinds of backup source."""
