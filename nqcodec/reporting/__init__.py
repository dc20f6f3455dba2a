"""Seeing what an encode did: fit curves, tensors, sensitivities, loss surfaces, errors by frame.

Each analysis gives a `Finding`: plain numbers first, kept as JSON and CSV, and a picture drawn from them alone.
"""
