"""Weights & Biases: one run a training stage, for watching and for reviewing seed sweeps. Never read back.

Nothing here may fail a stage: whatever W&B raises becomes one warning, and the stage goes on without it.
"""

import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

PROJECT, FOLDER = "scan-repro", Path("wandb")
MOST_IMAGES = 100  # W&B shows 108 of a list, and drops the rest
AGENTS = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")
"""What an agent of a W&B sweep tells the process that it starts, which is a cell: its stages have runs of their own."""


def run_group(dataset, study, implementation, arm):
    """What W&B averages over: the runs that differ by their seed, and by their stage, the job_type, alone."""
    return "/".join((dataset, study or "shared", implementation, arm))


class Tracker:
    """One W&B run: its group is that of `run_group`, job_type = stage; its config has the cell, and below `settings` all of them;
    data set, study, implementation and arm are tags. WANDB_MODE in the environment goes before `mode`, as it does for W&B's own.

    A stage that is resumed has the same run (`identity`): online it goes on; offline, where W&B begins a folder for each process,
    the last of them has all epochs, and the others are removed once it is whole.

    Args: rows: one a past epoch, as `log` takes them, where the stage is resumed.
    """

    def __init__(self, mode, cell, settings, identity, rows=()):
        self.run = None
        mode = os.environ.get("WANDB_MODE") or mode
        if mode == "disabled":
            return
        with self._harmless("not started"):
            os.environ.setdefault("WANDB_SILENT", "true")
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # to W&B, of its own errors
            os.environ.setdefault("WANDB_DATA_DIR", str(FOLDER.absolute()))  # and not the home, where some jobs may not write
            for name in AGENTS:
                os.environ.pop(name, None)
            import wandb

            self.run = wandb.init(
                project=PROJECT,
                mode=mode,
                id=identity[:32],
                resume="allow" if mode == "online" else None,
                name=str(cell),
                group=run_group(cell.dataset, cell.study, cell.implementation, cell.arm or cell.variant),
                job_type=cell.stage,
                # W&B takes 64 characters and no more.
                tags=[tag[:64] for tag in (cell.dataset, cell.study, cell.implementation, cell.arm, cell.variant) if tag],
                config={**asdict(cell), "settings": {key: asdict(value) for key, value in settings.items()}},
                settings=wandb.Settings(init_timeout=20, console="off", x_disable_stats=True,
                                        x_save_requirements=False),  # the record has the packages
            )
            known = self.run.step if rows else 0  # the first that the run lacks; W&B would warn of each that it has
            for row in rows:
                if row["epoch"] >= known:
                    self.log(row)

    def log(self, row):
        """One epoch's figures; `row` has the key epoch."""
        if self.run:
            with self._harmless("no longer written"):
                self.run.log(row, step=row["epoch"])

    def finish(self, metrics, prototypes=None):
        """The final figures: numbers in the summary, the confusion matrix as W&B's own chart of one, and prototypes as images.

        Args: prototypes: returns (uint8 [h, w, c], caption) of each, of which the first MOST_IMAGES are taken; it is called here,
        so that a picture that cannot be made fails no stage either.
        """
        if self.run:
            with self._harmless("not finished"):
                shown = {"confusion": confusion_chart(metrics["confusion"])} if "confusion" in metrics else {}
                shown |= {"prototypes": pictures(prototypes())} if prototypes else {}
                self.run.log(shown, step=self.run.step, commit=True)  # with the last epoch, which would replace the final figures
                self.run.summary.update({key: value for key, value in metrics.items() if isinstance(value, (int, float))})
                self.run.finish()
                remove_parts(Path(self.run.settings.sync_dir), self.run.id)

    def _harmless(self, what):
        return _Harmless(self, what)


def confusion_chart(counts):
    """Images of each class (Actual) in the cluster that is matched to each (Predicted), of a record's [classes, clusters]."""
    import wandb

    columns = ["Actual", "Predicted", "nPredictions"]  # as W&B's chart has them
    rows = [[f"class {actual}", f"class {matched}" if matched < len(counts) else f"unmatched {matched - len(counts)}", images]
            for actual, row in enumerate(counts) for matched, images in enumerate(row)]
    return wandb.plot_table("wandb/confusion_matrix/v1", wandb.Table(columns=columns, data=rows), dict(zip(columns, columns)))


def pictures(captioned):
    """W&B's images of (uint8 [h, w, c], caption)."""
    import wandb

    return [wandb.Image(image.squeeze(), caption=caption, file_type="png") for image, caption in captioned[:MOST_IMAGES]]


def remove_parts(whole, identity):
    """Remove the offline folders of a run that killed processes left beside the one that is whole, but what has been uploaded."""
    for part in whole.parent.glob(f"offline-run-*-{identity}"):
        if part != whole and not list(part.glob("*.wandb.synced")):
            shutil.rmtree(part)


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
