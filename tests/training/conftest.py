"""A recipe that trains in a fraction of a second, on data of one's own."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.training.recipe import Recipe


@pytest.fixture
def tiny(tmp_path):
    """A classifying recipe of 20 steps, on two lines in the plane."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 512)
    x = random.normal(size=512)
    images = np.stack([x, np.where(labels, x, -x) / 2], 1).astype(np.float32)
    path = tmp_path / "lines.npz"
    np.savez(path, images=images, labels=labels)
    return Recipe(
        data=str(path), process="edm", predicts="data", architecture="mlp", width=16, depth=1, steps=20, dropout=0.1,
        batch=16, warmup=2, levels=(-1.0, 1.0), labels=True, ema=0.9,
    )  # fmt: skip
