"""Errors that a user can cause. Each message is one line.

SeqaeError
├── InvalidSequence      (ValueError)   the data: a step, a channel, a length, a type
├── InvalidParameter     (ValueError)   an argument or setting
├── UnreadableFile       (ValueError)   a data file that is damaged, empty or of an unknown kind
├── ModelFileError       (ValueError)   a model file that is damaged, foreign or too new
├── TrainingDiverged     (RuntimeError) the loss stopped being finite
├── KernelUnavailable    (RuntimeError) SEQAE_KERNEL names a kernel that cannot run here
├── NotFitted            (AttributeError, ValueError)  fit() has not been called
└── MissingExtra         (ImportError)  an optional dependency is not installed

DataWarning (UserWarning) tells of data that was read as one thing and looks like another.
"""


class SeqaeError(Exception):
    """The root: `except SeqaeError` catches every error about bad input.

    parameter: the name in Python of the argument that caused the error; None for no argument, or several.
    """

    def __init__(self, message: str = "", *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class InvalidSequence(SeqaeError, ValueError):
    """Data that cannot be used; the message names sequence, step and channel."""


class InvalidParameter(SeqaeError, ValueError):
    """An argument out of range; the message names it, what came and what is allowed."""


class UnreadableFile(SeqaeError, ValueError):
    """A data file that cannot be read; the message names the file, the place and the remedy."""


class ModelFileError(SeqaeError, ValueError):
    """A model file that is damaged, of another kind, or from a newer version."""


class TrainingDiverged(SeqaeError, RuntimeError):
    """The training loss became NaN or infinite."""


class KernelUnavailable(SeqaeError, RuntimeError):
    """The kernel forced by SEQAE_KERNEL is not built or not supported by this machine."""


class NotFitted(SeqaeError, AttributeError, ValueError):
    """A method that needs a fitted estimator was called before fit()."""


class MissingExtra(SeqaeError, ImportError):
    """An optional dependency is missing; the message says what to install."""

    def __init__(self, extra: str) -> None:
        super().__init__(f"this needs the '{extra}' extra; install it with: pip install 'seqae[{extra}]'")


class DataWarning(UserWarning):
    """Data that was read as one thing and looks like another: ids among channels, markers of missing values."""
