from __future__ import annotations

import pytest

from rhovideo.engine.output_dir import held
from rhovideo.errors import JobError


def test_second_job_in_the_same_folder_is_refused_until_the_first_has_ended(tmp_path):
    refused = pytest.raises(JobError, match="another job is running in OUTPUT_DIR")
    with held(tmp_path / "out"), refused, held(tmp_path / "out", patience=0.2):
        pass
    with held(tmp_path / "out", patience=0.2):
        pass


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match=r"OUTPUT_DIR .*file/out cannot be written to"), held(tmp_path / "file/out"):
        pass
