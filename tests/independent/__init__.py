"""A decoder written from formats/nq.md alone, which proves the specification; see nqdecode.py."""
