"""Where the system allows no more threads, the kernel does the same work with those that it has."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("resource")

PROGRAM = """
import resource, sys, threading
from pathlib import Path
import numpy as np, torch
from seqae import SequenceAutoencoder

X = [np.sin(np.arange(n) / 3)[:, None].repeat(4, 1) for n in range(20, 60)]
model = SequenceAutoencoder(architecture="repeat", latent_size=4, hidden_size=64, max_epochs=1, random_state=0)
torch.set_num_threads(1)
model.fit(X)
alone = model.transform(X)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
_, most = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 22), most))  # less than the stack of one more thread
try:
    threading.Thread(target=int).start()
except RuntimeError:
    torch.set_num_threads(3)
    assert model.transform(X).tobytes() == alone.tobytes()
    print("same bits")
else:
    print("a thread started")
"""


@pytest.mark.kernel
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the stacks of threads as memory of the process")
def test_fewer_threads_are_used_where_no_more_can_be_had() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.returncode) == ("same bits\n", 0), done.stderr
