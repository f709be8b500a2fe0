"""Doors for people: thin, no model imports."""
