"""Boxes of people in AVA's formats: CSV files of boxes, label maps, exclusions, and key frames."""
