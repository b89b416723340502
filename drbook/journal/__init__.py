"""The record of an incident: append-only, chained, locked, verifiable."""
