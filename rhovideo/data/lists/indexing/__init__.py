"""Lists made from a folder of videos, or from the official splits of a data set."""
