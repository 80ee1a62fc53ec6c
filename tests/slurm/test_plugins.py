"""A method of one's own on SLURM: the ranks run it as it was when the job was submitted."""

from __future__ import annotations

from tests.config.own_parts import METHOD, write_modules
from tests.configured_runs import write_config
from tests.slurm.submissions import Run, submit


def test_method_beside_the_configuration_runs_as_it_was_submitted(cluster, tmp_path, synthetic_set):
    """Its module imports another one from the same folder, which is not copied."""
    write_modules(tmp_path, align=f"import beside\n{METHOD}", beside="")
    config = write_config(tmp_path / "pretrain.yaml", tmp_path / "pretrain", "pretrain")
    config.write_text(config.read_text() + "PLUGINS: [align]\n")
    words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "TRAIN.BATCH_SIZE", 4, "CONTRASTIVE.TYPE", "align"]
    submit([config], *words, "SOLVER.MAX_EPOCH", 1, "TRAIN.EVAL_PERIOD", 0, "--slurm-arg", "hold", tasks=1)
    write_modules(tmp_path, align="raise RuntimeError('edited while the job waited')")
    job = Run(cluster, tmp_path / "pretrain")
    cluster.command("scontrol", "release", job.job.job_id)
    job.wait_for_results()
    assert [event["outcome"] for event in job.attempts("end")] == ["finished"]
    assert len(job.losses()) == 3
