"""``rhovideo eval``: the configuration that measures a checkpoint, and the figure to compare its result with."""
