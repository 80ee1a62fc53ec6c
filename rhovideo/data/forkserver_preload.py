"""Imported first by the fork server of :mod:`rhovideo.data.worker`, and by nothing else.

A signal to all processes of a job would otherwise end the server, and its workers with it.
"""

from rhovideo.data.worker import ignore_signals

ignore_signals()
