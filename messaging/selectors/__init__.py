"""Reads for pages and decisions; nothing here writes."""
