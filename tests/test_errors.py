"""Errors that carry more than their text."""

from __future__ import annotations

import pickle

import pytest

from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.errors import JobError, SettingError


@pytest.mark.parametrize(
    "error",
    [
        JobError("no checkpoint", keys=("OUTPUT_DIR",)),
        ManifestError("no label", keys=("DATA.PATH_LABEL_SEPARATOR",)),
        SettingError("no multiple", "DATA.NUM_FRAMES", "MVIT.PATCH_STRIDE"),
    ],
)
def test_keys_of_an_error_arrive_from_another_process(error):
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), arrived.keys) == (type(error), str(error), error.keys)
