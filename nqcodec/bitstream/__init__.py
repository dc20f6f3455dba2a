"""Integer network <-> bytes: the syntax of formats/nq.md, sections 1, 2, 4 and 5."""

MAJOR, MINOR = 1, 1
"""Format version written; a larger major is refused, any minor is read."""
