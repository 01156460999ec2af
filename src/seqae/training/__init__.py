"""Training: seeded, resumable to the bit, stopped early with the best weights."""
