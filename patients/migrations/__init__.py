"""Schema history of this app, linear and reversible."""
