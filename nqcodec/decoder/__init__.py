"""Files to frames: the decoder with its limits, conformance vectors against it, and how long it takes."""
