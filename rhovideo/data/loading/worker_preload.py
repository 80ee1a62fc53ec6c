"""Imported first by the fork server of :mod:`rhovideo.data.loading.workers`, and by nothing else.

Workers are its children: they shut out the signals to all processes of a job from their first moment on, however the
server was started.
"""

from rhovideo.data.loading.workers import shut_out_signals

shut_out_signals()
