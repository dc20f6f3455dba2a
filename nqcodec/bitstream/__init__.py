"""Integer network <-> bytes: the syntax of formats/nq.md, sections 1, 2, 4 and 5."""

MAJOR, MINOR = 1, 4
"""Newest format version; a larger major is refused, any minor is read."""

LEAST_MINOR = 1
"""Minor version of files that need nothing newer."""
