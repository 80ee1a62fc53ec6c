"""Checks beside those of single keys: what must hold before a job starts, of its lists, its network and its machine."""
