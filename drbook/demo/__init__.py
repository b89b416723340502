"""A disposable world with a disaster in it."""
