"""A small package in the shape of PySlowFast, for the tests alone: the same registries, functions and loop.

Written for rhovideo; nothing of it is PySlowFast's. What the integration touches has the names and the calls that it
has there, and everything else is as small as it can be.
"""
