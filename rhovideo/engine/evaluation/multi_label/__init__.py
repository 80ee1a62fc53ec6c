"""Evaluations of videos with several labels each."""
