"""Jobs side by side, run by a fake that watches: what starts when, how many at once, what is left out."""

import random
import threading
import time

import pytest

from harness.engine import scheduler
from harness.engine.board import Board
from harness.engine.scheduler import FAILED, Scheduler

from .watched import WHY, Watched, jobs_of, scheduled


@pytest.mark.parametrize("seed", range(12))
def test_on_any_graph_nothing_begins_early_and_a_failure_leaves_out_what_comes_after_it_alone(seed):
    draw = random.Random(seed)
    names, jobs = [f"s{index}" for index in range(40)], draw.choice([1, 2, 3, 5])
    found = jobs_of({name: draw.sample(names[:index], min(index, draw.randrange(4))) for index, name in enumerate(names)})
    failing = set(draw.sample(names, seed % 4))

    def needs(name):
        return set(found[name].before).union(*(needs(before) for before in found[name].before))

    left_out = {name for name in names if needs(name) & failing}
    scheduler, watched = scheduled(found, jobs, failing)
    assert watched.early == [] and watched.most <= jobs
    assert sorted(watched.started()) == sorted(set(names) - left_out)  # each once
    assert scheduler.failed == dict.fromkeys(failing - left_out, WHY) and scheduler.board.done == set(names) - left_out - failing


def test_what_is_not_to_run_is_taken_as_done():
    found = jobs_of({"a": (), "b": ("a",), "c": ("b",), "d": ("c",)})
    _, watched = scheduled(found, 2, todo={"b", "d"})
    assert sorted(watched.started()) == ["b", "d"]


def test_stages_that_are_ready_do_run_side_by_side():
    """Each of three waits until there are three: it would not end otherwise."""
    found, gate = jobs_of({"a": (), "b": (), "c": (), "d": ("a", "b", "c")}), threading.Barrier(3, timeout=120)
    watched = Watched(found)

    def repro(names, board, slot):
        if names != ["d"]:
            gate.wait()
        return watched(names, board, slot)

    assert Scheduler(found, set(found), 3, Board(4, 3), repro).run() == {}
    assert len(watched.started()) == 4 and watched.early == []


def test_what_most_work_waits_for_goes_first(monkeypatch):
    """By hand, ahead: long 2 + 9 = 11, with what comes after it; alone 5; short 1 + 3 = 4; the last ones 9 and 3."""
    found = jobs_of({"short": (), "alone": (), "long": (), "after_short": ("short",), "after_long": ("long",)})
    took = {"short": 1, "alone": 5, "long": 2, "after_short": 3, "after_long": 9}
    monkeypatch.setattr(scheduler, "seconds", lambda jobs: took)
    one, watched = scheduled(found, 1)
    assert one.ahead == {"short": 4, "alone": 5, "long": 11, "after_short": 3, "after_long": 9}
    assert watched.started() == ["long", "after_long", "alone", "short", "after_short"]


def test_a_process_is_given_a_few_stages_and_leaves_some_to_the_others():
    """Of 100 ready ones and 2 at a time a quarter of those left, 20 at most; the last ones one by one."""
    _, watched = scheduled(jobs_of({f"s{index}": () for index in range(100)}), 2)
    sizes = sorted((len(call) for call in watched.calls), reverse=True)
    assert sizes == [20, 20, 15, 11, 8, 6, 5, 3, 3, 2] + [1] * 7
    assert sum(sizes) == 100


def test_a_process_that_breaks_down_is_a_failure_and_stops_nothing_else(monkeypatch):
    found = jobs_of({"a": (), "b": ("a",), "c": ()})
    watched = Watched(found)

    def repro(names, board, slot):
        if names == ["a"]:
            raise OSError("no more processes")
        return watched(names, board, slot)

    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)  # which prints it
    scheduler = Scheduler(found, set(found), 2, Board(3, 2), repro)
    assert scheduler.run() == {"a": FAILED} and watched.started() == ["c"] and scheduler.board.done == {"c"}


def test_after_an_interrupt_nothing_more_is_started(monkeypatch):
    """The interrupt comes while the first stage runs; the thread that waits for the workers is told."""
    found, begun, go_on = jobs_of({"a": (), "b": ("a",)}), threading.Event(), threading.Event()
    watched = Watched(found)

    def repro(names, board, slot):
        begun.set()
        go_on.wait(120)
        return watched(names, board, slot)

    class Interrupted(threading.Thread):
        def join(self, timeout=None):
            if not begun.is_set() or not go_on.is_set():
                begun.wait(120)
                raise KeyboardInterrupt
            super().join(timeout)

    monkeypatch.setattr(scheduler.threading, "Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        Scheduler(found, set(found), 1, Board(2, 1), repro).run()
    go_on.set()
    deadline = time.monotonic() + 120
    while any(isinstance(thread, Interrupted) for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert watched.started() == ["a"]
