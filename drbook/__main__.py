"""`python -m drbook`."""

import sys

from drbook.cli.main import main

sys.exit(main())
