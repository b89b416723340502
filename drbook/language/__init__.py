"""Reading runbooks: YAML with positions, expressions, action specs, JSON Schema."""
