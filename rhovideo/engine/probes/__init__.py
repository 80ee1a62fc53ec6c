"""Probes of features that ``rhovideo extract`` has written: many classifiers in minutes, without an encoder."""
