"""Training: seeded, resumable with the same bits, with early stopping at the best weights."""
