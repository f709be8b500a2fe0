"""Writes: each changes rows this app owns, and no other."""
