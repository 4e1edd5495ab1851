"""Learning rates by hand, batches, checkpoints of their own, seeds apart, lines in a log."""

import pytest
import torch

from harness.progress import Progress
from harness.record import Cell
from harness.session import Session, derive_seed
from harness.settings import Optimizer, Training
from reimpl.train.task import Task
from reimpl.train.trainer import Trainer, batches, learning_rate


class Linear(Task):
    """Learns what it is told to by a function of its network and the images of a step, of which it sees nothing."""

    def __init__(self, loss):
        super().__init__(None)
        self.loss_of = loss

    def network(self, backbone):
        return torch.nn.Linear(3, 2)

    def loss(self, model, batch, progress):
        return self.loss_of(model, batch.indices)

    def embed(self, model, images):
        return None


def trainer(cell, training, images, loss, settings=()):
    """A Trainer of `Linear`, on so many images."""
    task = Linear(loss)
    return Trainer(Session(cell, {}, dict(settings)), task, task.network(None), training,
                   torch.zeros(images, 1, 1, 1, dtype=torch.uint8), lambda epoch, state: {})


def training(**changes):
    return Training(4, 8, Optimizer(**{"kind": "sgd", "lr": 0.4, "weight_decay": 1e-4, "momentum": 0.9, **changes}))


def test_cosine_schedule_by_hand():
    """From lr, through the middle between lr and lr / 1000, never quite to lr / 1000."""
    rates = [learning_rate(training(schedule="cosine"), epoch) for epoch in range(4)]
    low = 0.0004
    assert rates == pytest.approx([0.4, low + 0.3996 * (1 + 2**-0.5) / 2, 0.2002, low + 0.3996 * (1 - 2**-0.5) / 2])
    assert learning_rate(training(), 3) == 0.4


def test_a_warm_up_by_hand():
    """Two epochs of a rise in thirds, and then the schedule over the two that are left."""
    cosine, constant = ([learning_rate(training(schedule=schedule, warm_up=2), epoch) for epoch in range(4)]
                        for schedule in ("cosine", "constant"))
    assert cosine == pytest.approx([0.4 / 3, 0.8 / 3, 0.4, 0.2002]) and constant == pytest.approx([0.4 / 3, 0.8 / 3, 0.4, 0.4])
    with pytest.raises(ValueError, match="warm_up is 4, and should be below 4, the number of epochs"):
        training(warm_up=4)


@pytest.mark.parametrize("count, drop_last, sizes", [
    (8, True, [4, 4]), (10, True, [4, 4]), (8, False, [4, 4]), (10, False, [4, 4, 2]),
    (9, False, [4, 4]),  # one image is no batch
])
def test_the_last_smaller_batch_is_dropped_or_trained_on(count, drop_last, sizes):
    order = torch.randperm(count)
    found = batches(order, Training(1, 4, training().optimizer, drop_last=drop_last))
    assert [len(batch) for batch in found] == sizes
    assert torch.cat(found).tolist() == order[: sum(sizes)].tolist()


def test_an_epochs_means_are_over_its_images(tmp_path, monkeypatch):
    """By hand: batches of 4, 4 and 2 images with losses 1, 2 and 6 have a mean of 2.4."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("execution: {device: cpu, threads: 1, tracking: disabled, checkpoint_seconds: 60}")
    losses = iter([1.0, 2.0, 6.0])
    (row,) = trainer(Cell("reimpl", "scan", "d", 0), Training(1, 4, training().optimizer, drop_last=False), 10,
                     lambda model, indices: {"loss": 0 * model.weight.sum() + next(losses),
                                             "images": torch.tensor(float(len(indices)))}).run()
    assert row["loss"] == pytest.approx(2.4) and row["images"] == pytest.approx((4 * 4 + 4 * 4 + 2 * 2) / 10)


def test_a_checkpoint_of_another_data_set_stays_and_one_of_other_settings_of_the_cell_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("execution: {device: cpu, threads: 1, tracking: disabled, checkpoint_seconds: 60}")

    def begun(dataset, settings=()):
        return trainer(Cell("reimpl", "scan", dataset, 0), Training(1, 4, training().optimizer), 8, None, settings)

    one = begun("a")
    one._save()
    begun("b")
    assert one.file.exists()
    begun("a", {"scan": training()})
    assert not one.file.exists()


@pytest.mark.parametrize("settings", [Optimizer("adam", 0.1, 0.1), Optimizer("sgd", 0.1, 0.1, 0.9)], ids=["adam", "sgd"])
@pytest.mark.parametrize("learned_from", [(True, False, True), (False, True, True)], ids=["then", "at-first"])
def test_a_batch_with_nothing_to_learn_from_leaves_every_weight_as_it_was(tmp_path, monkeypatch, settings, learned_from):
    """Weight decay and momentum would move weights on a gradient of zero. The other steps are as if it had not been."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "execution: {device: cpu, threads: 1, tracking: disabled, checkpoint_seconds: 60}")
    def fit(steps):
        seen, learnable = [], iter(steps)

        def loss(model, indices):
            seen.append(model.weight.detach().clone())
            return {"loss": model(torch.ones(2, 3)).square().mean(), "learnable": torch.tensor(next(learnable))}

        trained = trainer(Cell("reimpl", "selflabel", "d", 0), Training(len(steps), 2, settings), 2, loss)
        trained.run()
        return [*seen, trained.model.weight.detach()]

    found, expected = fit(learned_from), fit([True, True])
    skipped = learned_from.index(False)
    assert torch.equal(found[skipped], found[skipped + 1])
    del found[skipped]
    assert all(map(torch.equal, found, expected)) and not torch.equal(expected[0], expected[1])


def test_checkpoints_that_nothing_will_go_on_from_are_removed(tmp_path, monkeypatch):
    """Those of the same cell with other settings; another cell's stay."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("execution: {device: cpu, threads: 1, tracking: disabled, checkpoint_seconds: 0}")

    def fit(seed, lr):
        found = trainer(Cell("reimpl", "scan", "d", seed), Training(1, 2, Optimizer("sgd", lr, 0.0)), 2,
                        lambda model, indices: {"loss": model(torch.ones(2, 3)).sum()}, {"training": training(lr=lr)})
        found.run()
        return found.file

    other, stale, fresh = fit(1, 0.1), fit(0, 0.1), fit(0, 0.2)
    assert other.exists() and fresh.exists() and not stale.exists()


def test_every_stage_and_seed_has_draws_of_its_own():
    seeds = {derive_seed(stage, seed) for stage in ("pretext", "scan", "selflabel") for seed in range(100)}
    assert len(seeds) == 300 and all(0 <= seed < 2**63 for seed in seeds)


def test_a_log_gets_plain_lines_with_loss_rate_and_time_left(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("harness.progress.time.monotonic", lambda: clock[0])
    progress = Progress("scan/seed 0", epochs=4, images=100, start=1)
    for epoch in (2, 3, 4):
        clock[0] += 8
        progress.step(100, torch.tensor(1.0))
        progress.epoch({"epoch": epoch, "loss": 0.25})
    assert capsys.readouterr().err.splitlines() == [
        "scan/seed 0: epoch 3/4, loss 0.2500, 12 images/s, 8 s left",
        "scan/seed 0: epoch 4/4, loss 0.2500, 12 images/s, 0 s left"]


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress = Progress("scan/seed 0", epochs=1, images=100, start=0)
    progress.shown -= 5
    progress.step(100, torch.tensor(1.5))
    progress.close()
    last = capsys.readouterr().err
    assert "scan/seed 0: 100%" in last and "loss=1.5000" in last and "images/s" in last
