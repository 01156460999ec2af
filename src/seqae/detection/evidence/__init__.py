"""What scores are made from, one file for each kind of evidence; which there are stands in registry.py."""
