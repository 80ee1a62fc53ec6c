from __future__ import annotations
import signal
_reason=None
class Stopped(Exception):
    def __init__(self, reason): super().__init__(reason); self.reason=reason
def request(reason):
    global _reason
    _reason=_reason or reason
def requested(): return _reason
def reset():
    global _reason
    _reason=None
def listen(signals):
    for n,r in signals.items(): signal.signal(n, lambda *_, r=r: request(r))
