"""Read sequences from arrays, data frames and files."""

from __future__ import annotations

from .inputs import read, take
from .schema import Schema
from .source import Layout, Source

__all__ = ["Layout", "Schema", "Source", "read", "take"]
