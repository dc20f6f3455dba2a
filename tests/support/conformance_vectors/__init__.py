"""Makes the vectors of formats/conformance from seeds, byte for byte: one module for each part of the specification.

To add a vector, yield one more `Vector` from the `vectors` function of the module that it belongs to; where it is for a
new rule, name that rule in `rules.py`. Then `make vectors` writes the files.
"""
