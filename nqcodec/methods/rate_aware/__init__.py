"""Fit and quantisation as one: every tensor carries its quantizer and its entropy model from the first iteration on.

The loss is J = D + lambda R, where R is the rate by the file's own entropy models, and lambda is steered to the size
asked for. Values first have noise of one step size's width (a smooth stand-in for rounding), and are rounded in the
last part.
"""
