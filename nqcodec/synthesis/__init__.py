"""Integer network to frames: `reference` is the definition, `native` and `cuda` are checked against it."""
