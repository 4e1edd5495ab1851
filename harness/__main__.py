import sys

from harness.command import main

if sys.argv[1:2] == ["import-weights"]:  # no stage of a pipeline
    from harness.import_weights import main as import_weights

    sys.exit(import_weights(sys.argv[2:]))
sys.exit(main("harness", others=["import-weights"]))
