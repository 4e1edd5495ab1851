"""The epoch loop, learning rates, and checkpoints of every task.

A stage killed at any moment and run again goes on from its last checkpoint, and on a CPU ends with the same bits: every
random draw comes from the session's generator, which the checkpoint holds.
"""

import math
import sys
import time
from functools import partial

import torch

from harness import processes, weights
from harness.errors import OutOfTime, UserError, told_to_stop
from harness.metrics import degeneracies
from harness.progress import Progress
from harness.session import CHECKPOINTS
from harness.tracking import Tracker
from reimpl.networks import place, training_precision
from reimpl.train.batch import draw_batch, make_batch
from reimpl.train.optimizers import make_optimizer
from reimpl.train.steps import make_step


class Trainer:
    """Trains a network for a task: the optimizer, the curves so far, and what the stage keeps (SCAN: its best epoch), `state`.

    Args:
        model: the task's network, which is moved to the session's device.
        training: a settings.Training.
        images: the training images, uint8 [n, c, h, w] on the device; labels: theirs, int64 [n], for a task that may see them.
        after_epoch: from an epoch's number, from 1 on, and `state`, which it may change, to further figures for the epoch's row.
        photographs: the images.Photographs or decoded.Decoded that crops come from, where that is not the images themselves.
    """

    def __init__(self, session, task, model, training, images, after_epoch, labels=None, photographs=None):
        if training.batch_size > len(images):
            raise UserError(f"{session.cell}: training.batch_size is {training.batch_size}, but there are only {len(images)} "
                            f"training images; it should be at most {len(images)}")
        if odd := [len(batch) for batch in batches(torch.arange(len(images)), training) if len(batch) % processes.count()]:
            raise UserError(f"{session.cell}: execution.processes is {processes.count()}, and should divide each batch; one has "
                            f"{odd[0]} images, by training.batch_size and drop_last")
        self.session, self.task, self.training = session, task, training
        self.images, self.photographs = images, photographs
        self.model, session.trained_in = place(model, session), training_precision(session)
        self.labels = None if labels is None else labels.to(session.device)
        self.optimizer = make_optimizer(task.parameter_groups(self.model), training.optimizer)
        self.after_epoch = after_epoch
        self.step = make_step(self.optimizer, self._loss, partial(task.after_step, self.model), session)
        self.curves, self.state = [], {}
        self.identity = session.identity()
        self.file = CHECKPOINTS / f"{session.cell.key}-{self.identity[:24]}.pt"
        for stale in CHECKPOINTS.glob(f"{session.cell.key}-*.pt"):
            if stale != self.file:  # of other settings, inputs or code: nothing will ever go on from it
                stale.unlink(missing_ok=True)

    def run(self):
        """Train to the last epoch, or to the first whose loss is not finite. Returns the curves, a mapping an epoch.

        Raises OutOfTime at the end of an epoch before it, by execution.stop_after or a signal (errors.told_to_stop).
        """
        with told_to_stop() as told:
            return self._run(told)

    def _run(self, told):
        self._restore()
        session, training = self.session, self.training
        tracker = Tracker(session.execution.tracking, session.cell, session.settings, self.identity, self.curves)
        images = sum(map(len, batches(torch.arange(len(self.images)), training)))
        shown = Progress(str(session.cell), training.epochs, images, len(self.curves))
        saved = time.monotonic()
        while len(self.curves) < training.epochs and not self._broken():
            self.curves.append(self._epoch(len(self.curves), images, shown))
            tracker.log(self.curves[-1])
            shown.epoch(self.curves[-1])
            stopping = self._out_of_time(told)
            if stopping or time.monotonic() - saved >= session.execution.checkpoint_seconds:
                self._save()
                saved = time.monotonic()
            if stopping:
                shown.close()
                processes.first_goes_on()
                raise OutOfTime(f"{session.cell}: stopped after epoch {len(self.curves)} of {training.epochs}")
        shown.close()
        processes.first_goes_on()
        self.tracker, self.rate = tracker, shown.rate
        return self.curves

    def finish(self, out, metrics, degenerate=(), prototypes=None):
        """Write the record, close the W&B run, which shows the prototypes (Tracker.finish), and remove the checkpoint: the files
        of the stage are all there."""
        losses = [row["loss"] for row in self.curves]
        self.session.record(out, metrics, self.curves, [*degenerate, *degeneracies(losses)], self.rate)
        self.tracker.finish(metrics, prototypes)
        self.file.unlink(missing_ok=True)

    def _epoch(self, epoch, images, shown):
        lr, generator = learning_rate(self.training, epoch), self.session.generator
        self.step.set_lr(lr)
        self.task.before_epoch(self.model, self.images, generator)
        self.model.train()
        order = batches(torch.randperm(len(self.images), generator=generator), self.training)
        totals = None
        for number, indices in enumerate(order):
            progress = (epoch + number / len(order)) / self.training.epochs
            losses = self.step(draw_batch(self.task, indices, self.images, generator, self.photographs), progress)
            # A smaller batch counts by its images, a full one once: the means are over images.
            share = len(indices) / self.training.batch_size
            values = torch.stack(list(losses.values())) * share
            totals = values if totals is None else totals + values
            shown.step(len(indices), losses["loss"])
        means = dict(zip(losses, (totals / (images / self.training.batch_size)).tolist()))
        evaluated = {} if processes.rank() else self.after_epoch(epoch + 1, self.state)
        return {"epoch": epoch + 1, "lr": lr, **means, **evaluated}

    def _loss(self, drawn, progress):
        return self.task.loss(self.model, make_batch(self.task, self.images, drawn, self.labels), progress)

    def _broken(self):
        return bool(self.curves) and not math.isfinite(self.curves[-1]["loss"])

    def _out_of_time(self, told):
        limit, session = self.session.execution.stop_after, self.session
        stopped = processes.any_of(bool(told) or 0 < limit <= time.monotonic() - session.began)
        return stopped and len(self.curves) < self.training.epochs and not self._broken()

    def _save(self):
        if processes.rank():
            return
        weights.save(self.file, {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "generator": self.session.generator.get_state(), "curves": self.curves, "state": self.state,
            "seconds": self.session.seconds(),
        })

    def _restore(self):
        if not self.file.exists():
            return
        mend = "remove it, and the stage starts anew"
        kept = weights.load(self.file, mend, ("model", "optimizer", "generator", "curves", "state", "seconds"))
        weights.fill(self.model, kept["model"], self.file, mend)
        self.optimizer.load_state_dict(kept["optimizer"])
        self.session.generator.set_state(kept["generator"])
        self.curves, self.state = kept["curves"], kept["state"]
        self.session.seconds_before = kept["seconds"]
        print(f"{self.session.cell}: going on after epoch {len(self.curves)}", file=sys.stderr)


def batches(order, training):
    """An epoch's images, int64 [n], in batches. Of a single image there is none: BatchNorm has no variance for it."""
    least = training.batch_size if training.drop_last else 2
    return [batch for batch in order.split(training.batch_size) if len(batch) >= least]


def learning_rate(training, epoch):
    """The rate during `epoch`, from 0: after the warm-up constant, or along half a cosine towards lr * 0.001 (as in
    utils/common_config.py:259-264)."""
    optimizer = training.optimizer
    if epoch < optimizer.warm_up:
        return optimizer.lr * (epoch + 1) / (optimizer.warm_up + 1)
    if optimizer.schedule == "constant":
        return optimizer.lr
    least = optimizer.lr * 1e-3
    done = (epoch - optimizer.warm_up) / (training.epochs - optimizer.warm_up)
    return least + (optimizer.lr - least) * (1 + math.cos(math.pi * done)) / 2
