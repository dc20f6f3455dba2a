"""The C ABI libraries of csrc/: found, loaded and checked for the version of their interface."""
