"""The format of the released checkpoints, which PySlowFast loads too: its names, its keys, and writing it."""
