from __future__ import annotations

import pytest

from rhovideo.data.synthetic import write_synthetic


@pytest.fixture(scope="session")
def synthetic_set(tmp_path_factory):
    """A small labelled set of real video files with train.csv, val.csv and test.csv."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic(folder, num_classes=3, train_videos=24, val_videos=6, seconds=2, size=(48, 64), seed=0)
    return folder
