"""The study of docs/findings.md: how much each method learns from rho clips of a video, on the made sets."""
