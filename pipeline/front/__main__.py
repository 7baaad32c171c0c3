"""`python -m phosphene` is the command line."""

import sys

from phosphene.pipeline.app.cli import main

sys.exit(main())
