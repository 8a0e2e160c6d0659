"""`./run demo`: wiring only; the story is in `demo.story`."""

import sys

from demo.cli import main

sys.exit(main())
