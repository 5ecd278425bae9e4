"""Run the command line as ``python -m posedistill``."""

import sys

from posedistill.cli import main

if __name__ == "__main__":
    sys.exit(main())
