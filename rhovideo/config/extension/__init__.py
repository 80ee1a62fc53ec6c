"""Methods, encoders, data sets and keys from outside of the package."""
