"""Looking after runs, whichever launcher started them: their state, their logs, their results, and an end to them."""
