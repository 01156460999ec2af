"""What a request may ask for, and how it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..parameters import check_count


@dataclass(frozen=True, slots=True)
class Limits:
    """body_bytes, sequences, steps: of one request; more is refused with 413. waiting_steps: of all requests that wait;
    beyond, 429. seconds: until a request is answered, else 504; streams: open at a time, else refused.
    """

    body_bytes: int = 16 << 20
    sequences: int = 10_000
    steps: int = 1_000_000
    waiting_steps: int = 4_000_000
    seconds: int = 60
    streams: int = 1000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            check_count(name, getattr(self, name))


class Refused(Exception):
    """A request that gets an error. code: one word for programs; headers: of the answer."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    @property
    def body(self) -> dict[str, dict[str, str]]:
        """The answer: the only shape that errors have."""
        return {"error": {"code": self.code, "message": self.message}}
