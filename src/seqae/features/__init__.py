"""What a sequence is without training: a curve on a basis, shares of convolution outputs, statistics."""
