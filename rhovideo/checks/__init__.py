"""What must hold before a job starts, beside its keys: its lists, its network, the machine."""
