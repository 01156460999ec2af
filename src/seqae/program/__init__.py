"""A trained model as a small program, that runs without torch: in NumPy, C and ONNX.

`programs_of(estimator)` gives `encode`, `decode` and `length`; `print` shows one in ten lines.
"""

from .building import programs_of
from .program import Input, Program

__all__ = ["Input", "Program", "programs_of"]
