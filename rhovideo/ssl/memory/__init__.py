"""What a method keeps from step to step: the momentum encoder, and the queue of earlier embeddings."""
