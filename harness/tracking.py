"""Weights & Biases: one run a training stage, for watching and for reviewing seed sweeps. Never read back.

Nothing here may fail a stage: whatever W&B raises becomes one warning, and the stage goes on without it.
"""

import os
import sys
from dataclasses import asdict

PROJECT = "scan-repro"


class Tracker:
    """One W&B run: group = study/arm, job_type = stage, the seed and all settings in its config.

    A stage that is resumed goes on in the same run (`identity`).
    """

    def __init__(self, mode, cell, settings, identity):
        self.run = None
        if mode == "disabled":
            return
        with self._harmless("not started"):
            os.environ.setdefault("WANDB_SILENT", "true")
            import wandb

            self.run = wandb.init(
                project=PROJECT,
                mode=mode,
                id=identity[:32],
                resume="allow" if mode == "online" else None,
                name=str(cell),
                group=f"{cell.study or 'shared'}/{cell.arm or cell.variant}",
                job_type=cell.stage,
                config={**asdict(cell), **{key: asdict(value) for key, value in settings.items()}},
                settings=wandb.Settings(init_timeout=20, console="off", x_disable_stats=True),
            )

    def log(self, row):
        """One epoch's figures; `row` has the key epoch."""
        if self.run:
            with self._harmless("no longer written"):
                self.run.log(row, step=row["epoch"])

    def finish(self, metrics):
        """The final figures (numbers only)."""
        if self.run:
            with self._harmless("not finished"):
                self.run.summary.update({key: value for key, value in metrics.items() if isinstance(value, (int, float))})
                self.run.finish()

    def _harmless(self, what):
        return _Harmless(self, what)


class _Harmless:
    def __init__(self, tracker, what):
        self.tracker, self.what = tracker, what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None or not issubclass(kind, Exception):
            return False
        self.tracker.run = None
        print(f"warning: W&B run {self.what} ({kind.__name__}: {str(error).splitlines()[0] if str(error) else ''}); "
              "the record is complete without it", file=sys.stderr)
        return True
