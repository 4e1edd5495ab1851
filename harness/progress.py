"""How far a training is: a bar on a terminal, a plain line now and then in a log."""

import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10


class Progress:
    """Counts images over `epochs` epochs of `images` images each, from `start` epochs on."""

    def __init__(self, title, epochs, images, start):
        self.title, self.epochs, self.images, self.start = title, epochs, images, start
        self.began = self.shown = time.monotonic()
        self.done = 0
        self.rate = None
        """Images trained on a second, evaluation included; the first epoch, in which libraries are loaded, counts only alone."""
        self.bar = None
        if sys.stderr.isatty():
            self.bar = tqdm(total=epochs * images, initial=start * images, desc=title, unit=" images", unit_scale=True,
                            dynamic_ncols=True)

    def step(self, images, loss):
        """Another batch is done. `loss` is a tensor, looked at once a second at most, so as not to wait for the device."""
        self.done += images
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(images)
            if now - self.shown > 1:
                self.shown = now
                self.bar.set_postfix(loss=f"{loss.item():.4f}")

    def epoch(self, row):
        """Another epoch is done."""
        now = time.monotonic()
        self.rate = self.done / (now - self.began)
        if row["epoch"] == self.start + 1:
            self.began, self.done = now, 0
        last = row["epoch"] == self.epochs
        if self.bar is not None or not (last or now - self.shown > SECONDS_BETWEEN_LINES):
            return
        self.shown = now
        left = (self.epochs - row["epoch"]) * self.images / self.rate
        print(f"{self.title}: epoch {row['epoch']}/{self.epochs}, loss {row['loss']:.4f}, {self.rate:.0f} images/s, "
              f"{left:.0f} s left", file=sys.stderr, flush=True)

    def close(self):
        if self.bar is not None:
            self.bar.close()
