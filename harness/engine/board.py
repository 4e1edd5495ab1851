"""What is at work: a line for each slot, redrawn on a terminal, now and then in a log."""

import sys
import threading
import time

from harness.engine.plan import clock

SECONDS_BETWEEN_LINES = 15


class Board:
    """One line for each running stage: redrawn on a terminal, now and then in a log."""

    def __init__(self, total, jobs):
        self.total, self.began = total, time.monotonic()
        self.done = set()
        self.slots = [("", 0.0, "")] * jobs
        self.printed = [0.0] * jobs
        self.drawn = 0
        self.terminal = sys.stdout.isatty()
        self.lock = threading.Lock()

    def begin(self, slot, name):
        with self.lock:
            self._finish(slot)
            self.slots[slot] = (name, time.monotonic(), "")
            self._draw(slot)

    def show(self, slot, text):
        """What the running stage says of itself."""
        with self.lock:
            name, began, _ = self.slots[slot]
            self.slots[slot] = (name, began, text)
            self._draw(slot)

    def end(self, slot):
        with self.lock:
            self._finish(slot)
            self.slots[slot] = ("", 0.0, "")
            self._draw(slot)

    def print(self, text):
        with self.lock:
            self._erase()
            print(text, flush=True)

    def close(self):
        self.print(f"{len(self.done)} of {self.total} stages done in {clock(time.monotonic() - self.began)}")

    def _finish(self, slot):
        name, began, _ = self.slots[slot]
        if name:
            self._erase()
            print(f"{clock(time.monotonic() - self.began):>8}  {name} ({clock(time.monotonic() - began)})", flush=True)

    def _draw(self, slot):
        if not self.terminal:
            name, _, text = self.slots[slot]
            if text and time.monotonic() - self.printed[slot] > SECONDS_BETWEEN_LINES:
                self.printed[slot] = time.monotonic()
                print(f"          {name}: {text}", flush=True)
            return
        self._erase()
        for name, began, text in self.slots:
            print(f"  {name or 'idle'}  {clock(time.monotonic() - began) if name else ''}  {text}"[:118])
        self.drawn = len(self.slots)
        sys.stdout.flush()

    def _erase(self):
        if self.drawn:
            print(f"\x1b[{self.drawn}A\x1b[J", end="")
            self.drawn = 0
