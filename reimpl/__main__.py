import sys

from harness.command import main

STAGES = ("pretext", "neighbors", "kmeans", "scan", "selflabel", "augmentation", "operations")

sys.exit(main("reimpl", {stage: f"reimpl.{stage}" for stage in STAGES}))
