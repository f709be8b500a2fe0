"""HL7 v2 text: reading, writing, acknowledging; pure, no Django, no sockets."""
