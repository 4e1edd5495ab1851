"""What is at work: a line for each slot, redrawn on a terminal, now and then in a log."""

import sys
import threading
import time

from harness.engine.plan import clock

SECONDS_BETWEEN_LINES = 15
LINES = 24  # of a terminal, at most
IDLE = "", 0.0, ""


class Board:
    """One line for each running stage: redrawn on a terminal, now and then in a log.

    Args: total: stages in all; slots: how many lines there are from the start. Others come as they are begun.
    """

    def __init__(self, total, slots):
        self.total, self.began = total, time.monotonic()
        self.done = set()
        self.slots = dict.fromkeys(range(slots), IDLE)
        self.printed = {}
        self.drawn = 0
        self.terminal = sys.stdout.isatty()
        self.lock = threading.Lock()

    def begin(self, slot, name):
        """What is at work already goes on."""
        with self.lock:
            if self.slots.get(slot, IDLE)[0] == name:
                return
            self._finish(slot)
            self.slots[slot] = (name, time.monotonic(), "")
            self._draw(slot)

    def show(self, slot, text):
        """What the running stage says of itself."""
        with self.lock:
            name, began, _ = self.slots.get(slot, IDLE)
            self.slots[slot] = (name, began, text)
            self._draw(slot)

    def end(self, slot):
        with self.lock:
            self._finish(slot)
            self.slots[slot] = IDLE
            self._draw(slot)

    def print(self, text):
        with self.lock:
            self._erase()
            print(text, flush=True)

    def close(self):
        self.print(f"{len(self.done)} of {self.total} stages done in {clock(time.monotonic() - self.began)}")

    def _finish(self, slot):
        name, began, _ = self.slots.get(slot, IDLE)
        if name:
            self._erase()
            print(f"{clock(time.monotonic() - self.began):>8}  {name} ({clock(time.monotonic() - began)})", flush=True)

    def _draw(self, slot):
        if not self.terminal:
            name, _, text = self.slots[slot]
            if text and time.monotonic() - self.printed.get(slot, 0) > SECONDS_BETWEEN_LINES:
                self.printed[slot] = time.monotonic()
                print(f"          {name}: {text}", flush=True)
            return
        self._erase()
        lines = [f"  {name or 'idle'}  {clock(time.monotonic() - began) if name else ''}  {text}"[:118]
                 for name, began, text in self.slots.values()]
        if len(lines) > LINES:  # those that have begun first, and how many there are besides
            busy = [line for line, (name, *_) in zip(lines, self.slots.values()) if name]
            lines = [*busy[: LINES - 1], f"  {len(busy)} begun, {len(self.done)} of {self.total} done"]
        print(*lines, sep="\n")
        self.drawn = len(lines)
        sys.stdout.flush()

    def _erase(self):
        if self.drawn:
            print(f"\x1b[{self.drawn}A\x1b[J", end="")
            self.drawn = 0
