from tests.launch.conftest import slurm

__all__ = ["slurm"]
