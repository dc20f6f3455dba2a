"""The ways to come from a clip to an integer network of a given size. They do not know of one another."""
