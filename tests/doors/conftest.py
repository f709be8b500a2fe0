"""What tests of the sender may ask for: peers that play a script."""

from tests.factories.scripted import peers

__all__ = ["peers"]
