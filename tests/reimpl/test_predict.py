"""What is written of the training images is what is predicted of them."""

import numpy as np
import torch

from reimpl import networks
from reimpl.augment import Normalize
from reimpl.networks import ClusteringModel, ResNet
from reimpl.predict import assigned, predict
from reimpl.tasks.selflabel import Task


def test_each_image_is_assigned_to_its_likeliest_cluster(photos, monkeypatch):
    """Batch by batch, the last one smaller; in evaluation mode, also of a network that was in training mode."""
    monkeypatch.setattr(networks.in_batches, "__defaults__", (10 * photos[0, 0].numel(),))
    torch.manual_seed(0)
    model, normalize = ClusteringModel(ResNet(3, 8, (1,)), 5, heads=2).train(), Normalize([0.5] * 3, [0.2] * 3)
    found = assigned(Task(None, (), clusters=5), model, photos[:44], normalize)
    probabilities = model.eval()(normalize(photos[:44]))[0].softmax(1).detach().numpy()
    assert found["train_clusters"].dtype == np.uint16 and found["train_clusters"].tolist() == probabilities.argmax(1).tolist()
    # float32 whose sums are in another order in batches of another size
    np.testing.assert_allclose(found["train_confidence"], probabilities.max(1), rtol=1e-5)
    whole = predict(Task(None, (), clusters=5), model, photos[:44], normalize)
    assert whole.clusters().tolist() == found["train_clusters"].tolist()
