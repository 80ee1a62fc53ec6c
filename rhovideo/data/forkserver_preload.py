"""Imported first by the fork server of :mod:`rhovideo.data.worker`, and by nothing else.

Workers are its children: they shut out the signals to all processes of a job from their first moment on, however the
server was started.
"""

from rhovideo.data.worker import shut_out_signals

shut_out_signals()
