"""The conversion of a float network to an integer network that both methods share: quantizers, export, map formats,
size search."""
