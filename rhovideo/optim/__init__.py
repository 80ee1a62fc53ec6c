"""Parameter groups, LARS and the learning rate's schedules."""

from rhovideo.optim.build import build_optimizer, set_learning_rate
from rhovideo.optim.lars import LARS
from rhovideo.optim.schedules import describe_learning_rate, learning_rate, rate_factor

__all__ = ["LARS", "build_optimizer", "describe_learning_rate", "learning_rate", "rate_factor", "set_learning_rate"]
