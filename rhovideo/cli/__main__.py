import sys

from rhovideo.cli import main

sys.exit(main())
