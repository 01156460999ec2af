"""What autoencoders are for: each task wraps an estimator, none inherits from it."""
