"""The incident timeline, built from the journal alone, and its exports."""
