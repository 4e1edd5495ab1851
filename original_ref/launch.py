"""Running one of the authors' scripts, unmodified, in this process: shims, adapters, watching, and what is left of it.

The script works in a folder of its own under checkpoints/, laid out as the authors have it. Killed and run again, it goes
on from its own checkpoint there; the folder is removed once the stage has written its outputs.
"""

import contextlib
import os
import runpy
import shutil
import sys
import traceback
import warnings
from importlib.machinery import FileFinder, SourceFileLoader
from pathlib import Path

import yaml

from harness import weights
from harness.errors import UserError
from harness.files import read_json, sha256, write_text
from harness.metrics import degeneracies, empty_clusters, score
from harness.progress import Progress
from harness.record import FILE, reason_not_run, score_metrics, write_not_run
from harness.session import CHECKPOINTS
from harness.tracking import Tracker
from original_ref import adapters, config
from original_ref.checkout import fetch
from original_ref.shims import apply_shims
from original_ref.watch import Watch, read_rows

LOADING_PROCESSES = 8  # with a GPU, as in the authors' configurations; without one, every core is busy training
ENDINGS = {
    "Mask in MaskedCrossEntropyLoss is all zeros": "no image of a batch was confident",  # losses/losses.py:17
    "all elements of input should be between 0 and 1": "a prediction was not finite",  # losses/losses.py:113, by torch
}
"""How the authors' code ends itself in the midst of training, by what the error says: a result like any other."""


class Unwritten(SourceFileLoader):
    """Loads a module without writing its bytecode beside it."""

    def set_data(self, path, data, *, _mode=0o666):
        pass


def import_from(checkout):
    """Let the authors' modules be found first, and leave their folder as it is."""
    def hook(path):
        if not (Path(path).is_dir() and Path(path).is_relative_to(checkout)):
            raise ImportError
        return FileFinder(path, (Unwritten, [".py"]))

    sys.path_hooks.insert(0, hook)
    sys.path.insert(0, str(checkout))


class Launch:
    """One run of one script.

    Args: session: a harness.session.Session; dataset: a PreparedDataset; training: the settings.Training in force.
    """

    def __init__(self, session, dataset, training):
        self.session, self.dataset, self.training = session, dataset, training
        self.gpu = session.device.type == "cuda"
        session.trained_in = "float32"  # with TF32 where torch allows it by itself: they set neither
        self.identity = session.identity()
        name = f"original_ref-{session.cell.key}"
        self.root = (CHECKPOINTS / f"{name}-{self.identity[:24]}").absolute()
        for stale in CHECKPOINTS.glob(f"{name}-*"):
            if stale.absolute() != self.root:  # of other settings, inputs or code: nothing will ever go on from it
                shutil.rmtree(stale)
        self.made_from = session.made_from()
        self.ended = []
        """A sentence where the script ended itself."""
        counts = dataset.facts["images"]
        self.database = config.database(counts)
        self.images = sum(counts[split] for split in (dataset.pretext_splits if session.cell.stage == "pretext" else ["train"]))
        """How many are trained on."""
        self.files = self.root / self.database
        self.rows = self.root / "rows.json"

    def size(self):
        """The images' side, in pixels."""
        return self.dataset.facts["shape"][0]

    def workers(self):
        return min(LOADING_PROCESSES, os.cpu_count()) if self.gpu else 0

    def settled(self, out, files, upstream=None):
        """Whether there is nothing to run: the folder `out` has the result, or there cannot be one, which is written there.

        DVC leaves what is in `out` where it is (`persist` in dvc.yaml), so that what was made from the same settings, inputs and
        code stays when the stage is run again for the one reason that the authors' code is out of reach, or in reach, by now.

        Args: files: the names of those that the stage writes beside its record; upstream: the folder of the stage before.
        """
        if known_by(out, files, self.made_from) == recorded(out):
            return True
        reason = reason_not_run() or (upstream and read_record(upstream).get("not_run"))
        if not reason:
            fetch()  # where that fails, nothing has been removed
        for name in (FILE, *files):
            (out / name).unlink(missing_ok=True)
        if reason:
            write_not_run(out, self.session.cell, reason)
        return bool(reason)

    def run(self, script, configuration, network, augmentation):
        """Run `script` with the mapping `configuration`. Args: network, augmentation: the settings in force. Returns the Watch.

        A script that ends itself (ENDINGS) is run once more, for as many epochs as it had done, so that it evaluates and writes
        what it had. Raises: UserError for any other failure of the script, with the place of its log.
        """
        checkout = fetch()
        session, training = self.session, self.training
        environment = {"MPLBACKEND": "Agg"} if self.gpu else {"MPLBACKEND": "Agg", "CUDA_VISIBLE_DEVICES": ""}
        os.environ.update(environment)
        warnings.filterwarnings("ignore", "'pin_memory' argument")  # theirs is always true
        import_from(checkout)
        configuration = {**configuration, "train_db_name": self.database, "val_db_name": self.database}
        sys.argv = [script, "--config_env", self._write_yaml("environment.yml", {"root_dir": str(self.root)}),
                    "--config_exp", self._write_yaml("experiment.yml", configuration)]
        config.need(training.batch_size <= self.images, "training.batch_size", training.batch_size,
                    f"batches of at most the {self.images} training images: a larger one it drops, silently")
        seen = self.images // training.batch_size * training.batch_size
        rows = read_rows(self.rows)
        progress = Progress(str(session.cell), training.epochs, seen, len(rows))
        tracker = Tracker(session.execution.tracking, session.cell, session.settings, self.identity, rows)
        seeds = adapters.Seeds(session.cell.stage, session.cell.seed)
        watch = Watch(self.rows, self.dataset, progress, tracker, seeds)

        log = self.root / "log.txt"
        try:
            apply_shims(self.root, self.gpu)
            adapters.put_in_images(self.dataset, self.database)
            adapters.put_in_network(network, self.dataset.facts["shape"], self.database)
            adapters.put_in_augmentations(augmentation)
            seeds.put_in()
            watch.put_in()
            with open(log, "a", encoding="utf-8") as file, contextlib.redirect_stdout(file):
                try:
                    runpy.run_path(str(checkout / script), run_name="__main__")
                except (ValueError, RuntimeError) as error:
                    self.ended = ending(script, error, len(watch.rows))
                    if not self.ended:
                        raise
                    traceback.print_exc(file=file)
                    self._go_back(configuration, watch)
                    runpy.run_path(str(checkout / script), run_name="__main__")
        except Exception as error:
            with open(log, "a", encoding="utf-8") as file:
                traceback.print_exc(file=file)
            text = str(error).splitlines()[0] if str(error) else ""
            raise UserError(f"the authors' {script} stopped ({type(error).__name__}: {text}); its log is {log}") from None
        finally:
            progress.close()
        return watch

    def _go_back(self, configuration, watch):
        """Leave the script no epoch to run after those that it has done."""
        best = self.files / "scan/model.pth.tar"
        if not best.exists():  # scan.py takes for granted that one epoch was the best
            weights.save(best, {"model": watch.start, "head": 0})
        self._write_yaml("experiment.yml", {**configuration, "epochs": len(watch.rows)})

    def _write_yaml(self, name, value):
        write_text(self.root / name, yaml.safe_dump(value))
        return str(self.root / name)

    def finish(self, out, files, watch, metrics, degenerate=(), prototypes=None):
        """Write the record, by which `files` are known again; close the W&B run, which shows the prototypes (Tracker.finish), and
        remove the folder."""
        losses = [row["loss"] for row in watch.rows]
        self.session.record(out, metrics, watch.rows, [*degenerate, *degeneracies(losses), *self.ended], watch.progress.rate,
                            known_by(out, files, self.made_from))
        watch.tracker.finish(metrics, prototypes)
        shutil.rmtree(self.root)


def ending(script, error, epochs):
    """A sentence, in a list, where `error` is how the authors' code ends itself. Args: epochs: those that it had done."""
    had = f"what it had after epoch {epochs}" if epochs else "what it started from"
    return [f"the authors' {script} ended itself in epoch {epochs + 1}, since {reason} ({error}); it is scored by {had}"
            for said, reason in ENDINGS.items() if said in str(error)]


def known_by(out, files, made_from):
    """What a result is known by: what it was made from, and the SHA-256 of each of its files that there is, by name."""
    return {"made_from": made_from, "files": {name: sha256(out / name) for name in files if (out / name).exists()}}


def recorded(out):
    """What the record in a folder says that its result is known by; {} where it says nothing."""
    return read_record(out).get("evidence", {}).get("known_by", {})


def read_record(folder):
    """The record in a folder; {} where there is none."""
    return read_json(folder / FILE) if (folder / FILE).exists() else {}


def evaluate(dataset, probabilities):
    """Metrics and degeneracies of the final predictions, scored as every implementation's are.

    Args: probabilities: float32 [n, clusters] of the test images.
    """
    clusters, count = probabilities.argmax(1), probabilities.shape[1]
    scores = score(dataset.labels("test"), clusters, len(dataset.classes), count)
    return score_metrics(scores), empty_clusters(clusters, count)
