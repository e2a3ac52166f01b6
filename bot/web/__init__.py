"""The door: bytes in, an answer out; nothing is understood here."""
