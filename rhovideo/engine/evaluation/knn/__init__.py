"""k-NN: votes of the nearest neighbours, the bank of embeddings, and the videos to leave out."""
