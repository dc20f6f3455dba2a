"""A network as data: operations, programs, integer networks, camera paths, and the normative tables."""
