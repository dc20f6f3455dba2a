"""Makes the vectors of formats/conformance from seeds, byte for byte: one module for each part of the specification.

To add a vector, yield one more `Vector` from the `vectors` function of the module that it belongs to; where it is for a
new rule, name that rule in `rules.py`. Then `GENERATE_EXPECTED=1 pytest tests/decoder/test_conformance.py` writes the
files.
"""
