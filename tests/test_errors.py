"""Errors that carry more than their text."""

from __future__ import annotations

import pickle

import pytest

from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.errors import JobError, SettingError


@pytest.mark.parametrize(
    ("error", "keys"),
    [
        (JobError("no list"), ()),
        (JobError("no list", keys=("OUTPUT_DIR",)), ("OUTPUT_DIR",)),
        (ManifestError("no list", keys=("DATA.PATH_LABEL_SEPARATOR",)), ("DATA.PATH_LABEL_SEPARATOR",)),
        (SettingError("no list", "DATA.NUM_FRAMES", "MVIT.PATCH_STRIDE"), ("DATA.NUM_FRAMES", "MVIT.PATCH_STRIDE")),
    ],
)
def test_keys_of_an_error_arrive_from_another_process(error, keys):
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), arrived.keys) == (type(error), "no list", keys)
