"""What the package's parts cost beside what else does the same work: one script a subject, see ``make bench``."""
