"""Features of sequences without training: a curve on a basis, shares of convolution outputs, statistics."""
