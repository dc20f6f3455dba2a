"""Integer network <-> bytes: the syntax of formats/nq.md, sections 1, 2, 4 and 5."""

MAJOR, MINOR = 2, 0
"""Newest format version; another major is refused, any minor is read."""

LEAST_MINOR = 0
"""Minor version of files that need nothing newer."""
