"""Self-supervised methods over ρ clips of a video, and the parts that they are made of."""
