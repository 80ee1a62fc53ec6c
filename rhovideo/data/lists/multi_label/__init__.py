"""Lists of videos with several labels each, as for Charades."""
