"""Training and evaluation: the loop, its checkpoints and its log; ``tasks`` and ``evaluation`` are built on them."""
