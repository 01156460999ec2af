"""Evidence for scores, one file for each kind; registry.py lists them."""
