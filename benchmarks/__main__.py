"""Run the benchmarks: `python -m benchmarks`, or `make bench`."""

import sys

from benchmarks.run import main

sys.exit(main())
