"""What all training stages share: the epoch loop, learning rates, checkpoints.

A stage killed at any moment and run again goes on from its last checkpoint, and on a CPU ends with the same bits: every
random draw comes from the session's generator, which the checkpoint holds.
"""

import hashlib
import math
import sys
import time

import torch

from harness import weights
from harness.errors import UserError
from harness.metrics import degeneracies
from harness.progress import Progress
from harness.session import CHECKPOINTS
from harness.tracking import Tracker
from reimpl.networks import place, training_precision
from reimpl.optimizers import make_optimizer
from reimpl.steps import make_step


class Fit:
    """A training: the model and optimizer, the curves so far, and what the stage wants kept (SCAN: its best epoch).

    Args:
        count: images in the training set.
        draw: from int64 [b] indices to all that is random in a step on these images, as steps.Step takes it.
        terms: from that to the losses (steps.make_step).
        after_epoch: from `kept` to a mapping of further figures for the epoch's row; it may change `kept`.
    """

    def __init__(self, session, model, training, count, draw, terms, after_epoch):
        if training.batch_size > count:
            raise UserError(f"{session.cell}: training.batch_size is {training.batch_size}, but there are only {count} training "
                            f"images; it should be at most {count}")
        self.session, self.training, self.count = session, training, count
        self.model, session.trained_in = place(model, session), training_precision(session)
        self.optimizer = make_optimizer(self.model.parameters(), training.optimizer)
        self.draw, self.after_epoch = draw, after_epoch
        self.step = make_step(self.model, self.optimizer, terms, session)
        self.curves, self.kept = [], {}
        self.identity = session.identity()
        cell = hashlib.sha256(str(session.cell).encode()).hexdigest()[:12]
        self.file = CHECKPOINTS / f"{session.cell.stage}-{cell}-{self.identity[:24]}.pt"
        for stale in CHECKPOINTS.glob(f"{session.cell.stage}-{cell}-*.pt"):
            if stale != self.file:  # of other settings, inputs or code: nothing will ever go on from it
                stale.unlink()

    def run(self):
        """Train to the last epoch, or to the first whose loss is not finite. Returns the curves, a mapping an epoch."""
        self._restore()
        session, training = self.session, self.training
        tracker = Tracker(session.execution.tracking, session.cell, session.settings, self.identity, self.curves)
        images = sum(map(len, batches(torch.arange(self.count), training)))
        progress = Progress(str(session.cell), training.epochs, images, len(self.curves))
        saved = time.monotonic()
        while len(self.curves) < training.epochs and not self._broken():
            self.curves.append(self._epoch(len(self.curves), images, progress))
            tracker.log(self.curves[-1])
            progress.epoch(self.curves[-1])
            if time.monotonic() - saved >= session.execution.checkpoint_seconds:
                self._save()
                saved = time.monotonic()
        progress.close()
        self.tracker, self.rate = tracker, progress.rate
        return self.curves

    def finish(self, out, metrics, degenerate=()):
        """Write the record, close the W&B run, and remove the checkpoint: the stage's files are all there."""
        losses = [row["loss"] for row in self.curves]
        self.session.record(out, metrics, self.curves, [*degenerate, *degeneracies(losses)], self.rate)
        self.tracker.finish(metrics)
        self.file.unlink(missing_ok=True)

    def _epoch(self, epoch, images, progress):
        lr = learning_rate(self.training, epoch)
        self.step.set_rate(lr)
        self.model.train()
        order = torch.randperm(self.count, generator=self.session.generator)
        totals = None
        for indices in batches(order, self.training):
            terms = self.step(self.draw(indices))
            # A smaller batch counts by its images, a full one once: the means are over images.
            share = len(indices) / self.training.batch_size
            values = torch.stack(list(terms.values())) * share
            totals = values if totals is None else totals + values
            progress.step(len(indices), terms["loss"])
        means = dict(zip(terms, (totals / (images / self.training.batch_size)).tolist()))
        return {"epoch": epoch + 1, "lr": lr, **means, **self.after_epoch(self.kept)}

    def _broken(self):
        return bool(self.curves) and not math.isfinite(self.curves[-1]["loss"])

    def _save(self):
        weights.save(self.file, {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "generator": self.session.generator.get_state(), "curves": self.curves, "kept": self.kept,
            "seconds": self.session.seconds(),
        })

    def _restore(self):
        if not self.file.exists():
            return
        mend = "remove it, and the stage starts anew"
        state = weights.load(self.file, mend, ("model", "optimizer", "generator", "curves", "kept", "seconds"))
        weights.fill(self.model, state["model"], self.file, mend)
        self.optimizer.load_state_dict(state["optimizer"])
        self.session.generator.set_state(state["generator"])
        self.curves, self.kept = state["curves"], state["kept"]
        self.session.seconds_before = state["seconds"]
        print(f"{self.session.cell}: going on after epoch {len(self.curves)}", file=sys.stderr)


def batches(order, training):
    """An epoch's images, int64 [n], in batches. Of a single image there is none: BatchNorm has no variance for it."""
    least = training.batch_size if training.drop_last else 2
    return [batch for batch in order.split(training.batch_size) if len(batch) >= least]


def learning_rate(training, epoch):
    """The rate during `epoch`, from 0: constant, or along half a cosine towards lr * 0.001 (utils/common_config.py:259-264)."""
    optimizer = training.optimizer
    if optimizer.schedule == "constant":
        return optimizer.lr
    least = optimizer.lr * 1e-3
    return least + (optimizer.lr - least) * (1 + math.cos(math.pi * epoch / training.epochs)) / 2
