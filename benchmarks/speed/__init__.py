"""Speed of seqae and its peers on this machine, as ratios within one run."""

from .machine import Machine, describe_machine
from .table import SIZES, Ratio, Size, measure, n_rows

__all__ = ["SIZES", "Machine", "Ratio", "Size", "describe_machine", "measure", "n_rows"]
