"""Models of other libraries: read without running any of their code."""
