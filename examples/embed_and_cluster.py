"""Group sequences of different lengths: vectors from seqae, clusters from scikit-learn.

python examples/embed_and_cluster.py
"""

from __future__ import annotations

from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seqae import SequenceAutoencoder
from seqae.data import japanese_vowels

train, test = japanese_vowels("train"), japanese_vowels("test")
groups = make_pipeline(
    SequenceAutoencoder(latent_size=16, max_epochs=20, random_state=0),
    StandardScaler(),
    KMeans(n_clusters=9, n_init=10, random_state=0),
)
groups.fit(train.sequences)
agreement = adjusted_rand_score(test.speakers, groups.predict(test.sequences))
print(
    f"{len(test.sequences)} utterances in 9 groups; agreement with the speakers: {agreement:.2f} (1 is all, 0 chance)"
)
