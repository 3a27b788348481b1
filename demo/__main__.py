"""`python -m demo`: the command line. See `python -m demo --help`."""

import sys

from demo.cli import main

if __name__ == "__main__":
    sys.exit(main())
