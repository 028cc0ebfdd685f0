"""Makes `python -m facesieve_training` equivalent to the installed command."""

import sys

from facesieve_training.cli import main

if __name__ == "__main__":
    sys.exit(main())
