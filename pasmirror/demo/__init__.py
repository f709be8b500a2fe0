"""The demo: one true outage, played through the real parts by a scripted clerk and a scripted operator."""
