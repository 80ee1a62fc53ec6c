"""Looking after runs that any launcher started: their state, logs and results, and cancelling them."""
