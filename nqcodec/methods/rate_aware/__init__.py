"""Fit and quantisation as one: every tensor carries its quantizer and its entropy model from the first step on.

The loss is J = D + lambda R, where R is what the file's own models charge, and lambda is steered to the size asked
for. Values see noise of one step's width first (a smooth stand-in for rounding), and are rounded in the last part.
"""
