#!/usr/bin/env python
"""``python tools/run_net.py --cfg CONFIG [CONFIG ...] [KEY VALUE ...]``: the same as ``rhovideo run``."""

import sys

from rhovideo.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
