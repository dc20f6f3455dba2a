"""Makes the vectors of formats/conformance from seeds, byte for byte: one module for each part of the specification.

To add a vector, yield one more `Vector` from the `vectors` function of the module that it belongs to, name the rule that it
exercises in `rules.py` where the rule is new, and run `GENERATE_EXPECTED=1 pytest tests/test_conformance.py`.
"""
