"""Parts of the published methods that our default fit does not have: pruning, Quant-Noise, averages of weights,
training on patches, HNeRV's encoder. Each is enabled by an option, mostly as a `Hook` or as an iteration's `View`.
"""
