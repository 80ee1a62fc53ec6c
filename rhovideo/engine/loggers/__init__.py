"""Loggers: where the numbers and pictures of a training go besides the log: TensorBoard, CSV, W&B, MLflow, your own."""
