"""The outside world, one module each, with its guard."""
