"""Measurements of the codec itself, which `nqtool bench` runs. Nothing but the command line imports them."""
