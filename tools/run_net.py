#!/usr/bin/env python
"""``python tools/run_net.py --cfg CONFIG [CONFIG ...] [KEY VALUE ...]``: the same as ``rhovideo run``.

``python tools/run_net.py status|logs|cancel|results ...`` are the commands of those names.
"""

import sys

from rhovideo.cli import main
from rhovideo.cli.monitor import NAMES

if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(main(arguments if arguments[:1] and arguments[0] in NAMES else ["run", *arguments]))
