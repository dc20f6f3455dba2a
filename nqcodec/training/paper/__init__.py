"""What the published methods do in a plain fit and our default does not: pruning, Quant-Noise, averages of weights, and
training on patches. Each is reached by an option, as a `Hook` or as the `View` that an iteration has of a clip."""
