"""What is seen of the authors' scripts while they run: losses, predictions, scores, an epoch at a time. It changes nothing."""

import json

import torch

from harness.files import read_json, write_text
from harness.metrics import score
from harness.sources import SPLITS


class Watch:
    """Rows of figures, one an epoch, kept in a file so that a restarted script goes on with them.

    Args:
        file: where the rows are kept.
        dataset: a PreparedDataset, for the scores of each epoch's predictions. Where it has no labels, the authors' code is
            given zeros for them (adapters.targets), and what it makes of those is left out.
        progress: a harness.progress.Progress; tracker: a harness.tracking.Tracker.
        seeds: an adapters.Seeds, told of each epoch's beginning.
    """

    def __init__(self, file, dataset, progress, tracker, seeds):
        self.file, self.classes = file, len(dataset.classes)
        self.labels = {split: dataset.labels(split) for split in SPLITS}
        self.progress, self.tracker, self.seeds = progress, tracker, seeds
        self.rows = read_rows(file)
        self.row, self.sums, self.steps = None, {}, 0
        self.start = self.predictions = self.features = None
        self.reported, self.mined = {}, {}

    def put_in(self):
        """Wrap the functions of theirs that are watched, in the modules that the scripts import them from."""
        from utils import common_config, evaluate_utils
        from utils.memory import MemoryBank

        wrap(common_config, "get_model", self._keep_start)
        wrap(common_config, "adjust_learning_rate", self._epoch_begins)
        wrap(common_config, "get_criterion", self._watch_losses)
        wrap(evaluate_utils, "get_predictions", self._keep_predictions, return_features=True)
        wrap(evaluate_utils, "scan_evaluate", self._keep_validation_loss)
        wrap(evaluate_utils, "hungarian_evaluate", self._keep_reported)
        wrap(evaluate_utils, "contrastive_evaluate", self._keep_knn)
        wrap(MemoryBank, "mine_nearest_neighbors", self._keep_mined)
        wrap(torch, "save", before=self._checkpoint)

    def _keep_start(self, model, *arguments):
        self.start = {name: value.clone() for name, value in model.state_dict().items()}
        return model

    def _epoch_begins(self, lr, p, optimizer, epoch):
        self.rows = self.rows[:epoch]
        self.row, self.sums, self.steps = {"epoch": epoch + 1, "lr": lr}, {}, 0
        self.seeds.begin_epoch(epoch)
        return lr

    def _watch_losses(self, criterion, p):
        names = ("loss", "consistency", "entropy") if p["criterion"] == "scan" else ("loss",)

        def keep(module, inputs, output):
            values = output if isinstance(output, tuple) else (output,)
            for name, value in zip(names, values):
                self.sums[name] = self.sums.get(name, 0.0) + value.detach()
            self.steps += 1
            self.progress.step(len(inputs[0]), values[0])

        criterion.register_forward_hook(keep)
        return criterion

    def _keep_predictions(self, result, *arguments, **kwargs):
        self.predictions, self.features = result
        return self.predictions

    def _keep_validation_loss(self, result, predictions):
        self.row |= {"validation_loss": float(result["lowest_loss"]), "head": int(result["lowest_loss_head"])}
        return result

    def _keep_reported(self, result, head, predictions, **kwargs):
        if self.labels["test"] is not None:
            self.reported = {"reported_acc": result["ACC"]}
        if self.row is not None:
            self.row |= scores_row(self.labels["test"], self.classes, predictions[head])
        return result

    def _keep_knn(self, top1, *arguments):
        if all(labels is not None for labels in self.labels.values()):
            self.row["knn_accuracy"] = top1 / 100
        return top1

    def _keep_mined(self, result, *arguments):
        indices, accuracy = result
        split = SPLITS[len(self.mined)]
        self.mined[split] = indices, None if self.labels[split] is None else float(accuracy)
        return result

    def _checkpoint(self, value, path):
        """The epoch's row is written before its checkpoint is."""
        if self.row is not None and str(path).endswith("checkpoint.pth.tar"):
            calls = max(self.steps, 1)
            self.row |= {name: float(value) / calls for name, value in self.sums.items()}
            self.rows.append(self.row)
            write_text(self.file, json.dumps(self.rows))
            self.progress.epoch(self.row)
            self.tracker.log(self.row)
            self.row = None


def read_rows(file):
    return read_json(file) if file.exists() else []


def scores_row(labels, classes, predictions):
    scores = score(labels, predictions["predictions"].numpy(), classes, predictions["probabilities"].shape[1])
    return {} if scores is None else {"acc": scores.acc, "nmi": scores.nmi, "ari": scores.ari}


def wrap(owner, name, after=None, before=None, **added):
    """Replace `owner.name` by itself, with `before` called on its arguments, and `after` on its result and arguments."""
    theirs = getattr(owner, name)

    def wrapped(*arguments, **kwargs):
        if before:
            before(*arguments, **kwargs)
        result = theirs(*arguments, **kwargs, **added)
        return after(result, *arguments, **kwargs) if after else result

    setattr(owner, name, wrapped)
