"""MoCo against a loop that is written out here: a queue that is a list, keys one by one, an encoder moved number by number."""

import copy
import math

import pytest
import torch

from harness.settings import Optimizer, Training
from reimpl.networks import ContrastiveModel
from reimpl.tasks import moco
from reimpl.train.batch import Batch
from tests.reimpl import naive

MOMENTUM, QUEUE, TEMPERATURE, IMAGES, BATCH = 0.9, 80, 0.2, 100, 32  # 80 is no multiple of 32, so that the queue is wrapped


def settings(**changes):
    training = Training(3, BATCH, Optimizer("sgd", 0.02, 0.001, momentum=0.9))
    return moco.Settings(**{"training": training, "augmentation": {"simclr": {}}, "evaluate_every": 100, "dim": 16,
                            "temperature": TEMPERATURE, "momentum": MOMENTUM, "queue": QUEUE, **changes})


def naive_loss(queries, keys, queue):
    """Equation 1, query by query."""
    losses = []
    for query, key in zip(queries, keys):
        own = math.exp(query @ key / TEMPERATURE)
        losses.append(-math.log(own / (own + sum(math.exp(query @ other / TEMPERATURE) for other in queue))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("batch, size", [(1, 1), (4, 3), (16, 32)])
def test_the_loss_equals_a_naive_derivation(generator, batch, size):
    queries, keys, queue = (torch.nn.functional.normalize(torch.randn(count, 8, generator=generator, dtype=torch.float64), dim=1)
                            for count in (batch, batch, size))
    assert moco.info_nce(queries, keys, queue, TEMPERATURE).item() == pytest.approx(naive_loss(queries, keys, queue))


def plain(images, groups):
    """Algorithm 1 of MoCo: the query's network, the key's network, and the queue, oldest key first."""
    with naive.begun() as generator:
        queries_of = ContrastiveModel(naive.backbone(), 16)
        queue = [*torch.nn.functional.normalize(torch.randn(QUEUE, 16), dim=1)]
        keys_of = copy.deepcopy(queries_of)
        optimizer = torch.optim.SGD(queries_of.parameters(), 0.02, momentum=0.9, weight_decay=0.001)
        for seen, kept, shuffled in naive.steps(images, settings(), generator, lambda count, generator: torch.randperm(
                count, generator=generator)):
            queries = torch.cat([queries_of(part) for part in seen.split(BATCH // groups)])
            with torch.no_grad():
                made = torch.cat([keys_of(part) for part in kept[shuffled].split(BATCH // groups)])
                keys = [made[shuffled.tolist().index(image)] for image in range(BATCH)]
            own = torch.stack([query @ key for query, key in zip(queries, keys)]) / TEMPERATURE
            others = queries @ torch.stack(queue).T / TEMPERATURE
            loss = (torch.logsumexp(torch.cat([own[:, None], others], 1), 1) - own).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for key, query in zip(keys_of.parameters(), queries_of.parameters()):
                    key.copy_(MOMENTUM * key + (1 - MOMENTUM) * query)
            queue = [*queue, *keys][-QUEUE:]
    return queries_of.state_dict(), keys_of.state_dict(), torch.stack(queue)


@pytest.mark.parametrize("groups", [1, 4])
def test_training_is_that_of_the_loop(tmp_path, monkeypatch, digits, groups):
    """Nine steps: the query's weights, the key's, and what is in the queue."""
    monkeypatch.chdir(tmp_path)
    model, _ = naive.train(moco.Task, settings(norm_groups=groups), digits[:IMAGES], tmp_path)
    queries, keys, queue = plain(digits[:IMAGES], groups)
    state = model.state_dict()
    naive.close({name: state[name] for name in queries}, queries)
    naive.close({name: state[f"key_encoder.{name}"] for name in keys}, keys)
    assert model.oldest == 9 * BATCH % QUEUE != 0
    naive.close(model.queue.roll(-int(model.oldest), 0), queue)
    alike = plain(digits[:IMAGES], 1)[0]
    assert (groups == 1) == all(torch.allclose(queries[name].float(), alike[name].float(), 1e-3, 1e-4) for name in alike)


def test_no_gradient_reaches_the_keys(digits):
    task = moco.Task(settings(), [naive.AUGMENT] * 2)
    model = task.network(naive.backbone())
    views = torch.rand(2 * BATCH, 1, 8, 8)
    batch = Batch((views,), {"shuffled": torch.randperm(BATCH)}, torch.arange(BATCH))
    found = task.loss(model, batch, None)
    found["loss"].backward()
    assert not found["keys"].requires_grad and not model.queue.requires_grad
    assert all(parameter.grad is None for parameter in model.key_encoder.parameters())
    assert all(parameter.grad is not None for parameter in model.contrastive_head.parameters())
    (learned,) = task.parameter_groups(model)
    assert len(learned.parameters) == len([*model.key_encoder.parameters()])


@pytest.mark.parametrize("changes, says", [
    ({"queue": BATCH - 1}, "queue is 31, and should be at least 32, as many as a batch has images"),
    ({"norm_groups": 5}, "norm_groups is 5, and should be 1, or a divisor of 32, the batch size, with drop_last"),
    ({"momentum": 1.0}, "momentum is 1.0, and should be from 0 to below 1"),
])
def test_what_would_not_train_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        settings(**changes)
