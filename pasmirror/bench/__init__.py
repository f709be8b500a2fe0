"""Figures: how fast the product is and how much memory it takes, measured on a run of its own; asserts nothing."""
