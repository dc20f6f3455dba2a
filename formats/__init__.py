"""Data: the specification, its tables and the conformance vectors. Installed as `nqcodec.formats`."""
