"""``python -m rhovideo.cli``, the same as the command ``rhovideo``."""

import sys

from rhovideo.cli import main

sys.exit(main())
