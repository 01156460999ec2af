"""What each route takes and gives, for /openapi.json."""

from __future__ import annotations

from collections.abc import Mapping

_SEQUENCES = {"sequences": [[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6]]]}
_ERROR = {"error": {"code": "invalid", "message": "sequence 0 has 3 channels, but fit() saw 2"}}
STATUSES = {
    400: "no proper HTTP request",
    401: "without the bearer token",
    404: "not of this model",
    413: "more bytes, sequences or steps than one request may have",
    415: "compressed, or neither JSON nor an Arrow stream",
    422: "the body is not as documented, or the data does not suit the model",
    429: "too much waits: try again after Retry-After seconds",
    503: "the service is stopping",
    504: "no answer in time",
}
EXAMPLES: dict[str, tuple[str, Mapping[str, object], Mapping[str, object]]] = {
    "embed": ("The vector of each sequence.", _SEQUENCES, {"vectors": [[1.5, -0.2], [0.3, 0.9]]}),
    "reconstruct": ("Each sequence, encoded and decoded.", _SEQUENCES, _SEQUENCES),
    "decode": (
        "A sequence for each vector. Without lengths, the model finds them.",
        {"vectors": [[1.5, -0.2]], "lengths": [2]},
        {"sequences": [[[0.1, 0.2], [0.3, 0.4]]]},
    ),
    "score": ("How unlike normal data: higher is stranger.", _SEQUENCES, {"scores": [0.1, 2.5]}),
    "detect": (
        "Intervals above the detector's limit.",
        _SEQUENCES,
        {"intervals": [{"id": 0, "start": 1, "end": 4, "peak": 2, "score": 3.1, "share_x": 1.0}]},
    ),
    "forecast": ("The steps that follow.", {**_SEQUENCES, "n_steps": 1}, {"sequences": [[[0.5, 0.6]], [[0.7, 0.8]]]}),
    "nearest": (
        "The nearest stored vectors of each sequence.",
        {**_SEQUENCES, "k": 2},
        {"neighbours": [{"ids": ["a", "c"], "distances": [0.1, 0.4]}, {"ids": ["b", "a"], "distances": [0.0, 0.7]}]},
    ),
}
"""By operation: what it does, a request, an answer."""


def described(name: str) -> dict[str, object]:
    """The part of the OpenAPI description that a route adds."""
    _, request, answer = EXAMPLES[name]
    arrow = {"schema": {"type": "string", "format": "binary"}}
    shape = {"application/json": {"schema": {"type": "object"}, "example": _ERROR}}
    errors = {str(status): {"description": why, "content": shape} for status, why in STATUSES.items()}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": request},
                "application/vnd.apache.arrow.stream": arrow,
            },
        },
        "responses": {
            "200": {
                "description": "The answer, as an Arrow stream if Accept names it",
                "content": {
                    "application/json": {"schema": {"type": "object"}, "example": answer},
                    "application/vnd.apache.arrow.stream": arrow,
                },
            },
            **errors,
        },
    }
