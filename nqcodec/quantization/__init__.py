"""Float network to integer network, as far as both methods share it: quantizers, export, map formats, size search."""
