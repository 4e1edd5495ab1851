"""The methods that SCAN is compared with, a file each (the paper's comparison tables).

A baseline is a module here with `Settings`, a settings.Baseline (TrainedBaseline, EmbeddingBaseline, or the Settings of another
method) with what the method adds to it, and with one or both of

    Task      what a network learns (reimpl/train/task.py): `Task(settings, views, shape)`, whose `VIEWS` names for each view the
              setting that says its augmentation (its name ends in `augmentation`); shape is (n, c, h, w), the training images'
    cluster   `cluster(train, test, settings, seed, model)` -> int [n], the cluster of each test image, from float32 [n, dim]
              features of the training and of the test images: the pixels, or what the network embeds, which is `model`

Where there is no `cluster`, the clusters are what the task predicts. The settings are read without the rest of the file
(harness/tasks.py), and so refer to harness, dataclasses and the Settings of other methods alone.
"""
