"""The record, and whether clerks may write to it."""
