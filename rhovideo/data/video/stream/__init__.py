"""The coded stream of a video file: its container, packets and times."""
