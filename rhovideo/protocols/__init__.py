"""``rhovideo eval``: which configuration measures a checkpoint, and what its number may be compared with."""
