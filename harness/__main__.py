import sys

from harness.command import main

sys.exit(main("harness", {"listing": "harness.listing", "dataset": "harness.datasets"}))
