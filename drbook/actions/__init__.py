"""What a step can do, one module per family."""
