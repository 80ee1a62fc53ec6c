"""Scores, accuracies, features and nearest neighbours."""
