"""Training: seeded, resumable to the bit, stopped early with the best weights."""

from .checkpoint import Checkpoint
from .history import Epoch, History
from .loop import Settings, StopTraining, train
from .progress import ProgressBar

__all__ = ["Checkpoint", "Epoch", "History", "ProgressBar", "Settings", "StopTraining", "train"]
