"""The package's version, which model files carry."""

__version__ = "0.1.0"
