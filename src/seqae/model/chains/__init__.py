"""Models of explicit layers in a chain, as other libraries have them."""
