"""Studies: tables of cells, each a pre-training and its measurements, as files; and their results as tables."""
