"""Schema history of the bottom, linear and reversible."""
