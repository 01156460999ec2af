"""The autoencoder: what it is made of, and as modules with shared weights."""
