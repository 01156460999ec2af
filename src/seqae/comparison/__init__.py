"""Compare architectures on the same data."""

from .fits import DEFAULT, compare
from .result import ComparedRow, ComparedRun, Comparison, accuracies

__all__ = ["DEFAULT", "ComparedRow", "ComparedRun", "Comparison", "accuracies", "compare"]
