"""`python -m lab`, which `./run lab` calls."""

import sys

from lab.cli import main

sys.exit(main())
