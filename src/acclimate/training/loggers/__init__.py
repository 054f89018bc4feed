"""Where a run's curves go beside ``metrics.csv``. Adding a logger: its file, and one name here.

Importing this registers them all and imports none of their libraries.
"""

from acclimate.training.loggers import mlflow, tensorboard, wandb  # noqa: F401
from acclimate.training.loggers.base import LoggedRun, Logger, check_loggers, loggers

__all__ = ["LoggedRun", "Logger", "check_loggers", "loggers"]
