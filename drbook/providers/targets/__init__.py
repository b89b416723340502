"""Kinds of fresh place to restore into."""
