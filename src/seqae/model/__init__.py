"""The autoencoder: its description, and its modules."""
