"""Which modules of the package a call enters, told by Python's profiling hook."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import cache
from types import FrameType

import numpy as np

from .source import PACKAGE, modules


def entered(call: Callable[[], object]) -> set[str]:
    """Names of the modules of which a function runs while `call` does; what imports run at load is left out."""
    found = set()

    def hook(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(PACKAGE)):
            found.add(frame.f_code.co_filename)

    sys.setprofile(hook)
    try:
        call()
    finally:
        sys.setprofile(None)
    return {name for name, module in modules().items() if str(module.path) in found}


@cache
def walks() -> dict[str, set[str]]:
    """Modules that the calls enter which a reader follows first, on small data: by default, and of one preset."""
    for name in modules():
        importlib.import_module(f"seqae.{name}".rstrip("."))
    from seqae import AnomalyDetector, SequenceAutoencoder

    random = np.random.default_rng(0)
    sequences = [random.normal(size=(int(n), 2)) for n in random.integers(5, 9, 20)]
    series = [random.normal(size=(n, 2)) for n in (150, 120)]
    usual = SequenceAutoencoder(random_state=0)
    estimator = SequenceAutoencoder("repeat", max_epochs=2, random_state=0)
    detector = AnomalyDetector(SequenceAutoencoder("repeat", max_epochs=2, random_state=0), window=10)
    return {
        "SequenceAutoencoder.fit": entered(lambda: usual.fit(sequences)),
        "SequenceAutoencoder.transform": entered(lambda: usual.transform(sequences)),
        'SequenceAutoencoder("repeat").fit': entered(lambda: estimator.fit(sequences)),
        'SequenceAutoencoder("repeat").transform': entered(lambda: estimator.transform(sequences)),
        "AnomalyDetector.fit": entered(lambda: detector.fit(series)),
        "AnomalyDetector.detect": entered(lambda: detector.detect([random.normal(size=(60, 2))])),
    }
