"""Scores, accuracies, features and nearest neighbours of a trained network."""
