"""Thin doors for scripts and processes."""
