"""Training and evaluation: the trainer, checkpoints, logs."""
