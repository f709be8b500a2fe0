"""MLLP: frames, the listener and the sender."""
