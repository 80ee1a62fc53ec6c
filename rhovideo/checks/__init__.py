"""Checks before a job starts: of its lists, its network and its machine. Checks of keys are in ``config/``."""
