"""Explicit layers, one after the other, as models of other libraries have them: a family of its own."""
