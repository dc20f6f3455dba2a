"""What the published methods do in a plain fit and our default does not: pruning, Quant-Noise, averages of weights,
training on patches, HNeRV's encoder. Each is reached by an option, mostly as a `Hook` or as an iteration's `View`.
"""
