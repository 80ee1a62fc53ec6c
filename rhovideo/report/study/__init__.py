"""The figures and the page of a study with tables."""
