"""From a long data frame to a data frame of vectors with the same ids, and where reconstruction fails.

python examples/data_frame.py
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from seqae import SequenceAutoencoder, read

rng = np.random.default_rng(0)
lengths = rng.integers(20, 60, 100)
frame = pd.DataFrame({"machine": np.repeat([f"m{k:03}" for k in range(100)], lengths)})
frame["minute"] = frame.groupby("machine").cumcount()
frame["heat"] = np.sin(frame["minute"] / 4) + 0.05 * rng.normal(size=len(frame))
frame["load"] = np.cos(frame["minute"] / 4) + 0.05 * rng.normal(size=len(frame))
frame.loc[(frame["machine"] == "m042") & (frame["minute"] == 10), "heat"] += 4.0

source = read(frame, id="machine", time="minute")
ae = SequenceAutoencoder(latent_size=8, max_epochs=30, random_state=0).fit(source)
vectors = pd.DataFrame(ae.transform(source), index=source.ids)
print(vectors.iloc[:3, :4].round(2))

errors = ae.reconstruction_error(source, per="step")
worst = int(np.argmax(errors.values))
i = int(np.searchsorted(errors.starts, worst, side="right")) - 1
print(f"reconstruction fails most for {source.ids[i]} at minute {source.times[worst]}")
