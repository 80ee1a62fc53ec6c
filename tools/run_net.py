#!/usr/bin/env python
"""``python tools/run_net.py --cfg CONFIG [CONFIG ...] [KEY VALUE ...]``: the same as ``rhovideo run``.

``python tools/run_net.py status|logs|cancel|results ...`` are the commands of those names.
"""

import sys

from rhovideo.cli import LOOK_COMMANDS, main

if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main(words if words[:1] and words[0] in LOOK_COMMANDS else ["run", *words]))
