"""Open, start, drive and watch an incident: wires the rooms together."""
