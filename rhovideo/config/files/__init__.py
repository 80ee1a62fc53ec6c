"""Configurations as they are written, in YAML files and as KEY VALUE pairs, and what is read from them."""
