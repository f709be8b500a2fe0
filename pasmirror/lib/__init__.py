"""The bottom of the project: what every app may stand on; it imports no app."""
