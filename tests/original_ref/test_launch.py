"""Launching a script: what becomes of one that ends itself. The script is made up here; the authors' code is not needed."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from harness.errors import UserError
from harness.pipeline.study import Claim
from harness.record import Cell
from harness.results.summary import rows
from harness.settings import Optimizer, Training
from original_ref import adapters, launch
from report.summaries import Summary
from report.verdicts import Side, decide, judge
from tests.report import made

DONE = []  # the epochs that the script has done
SCRIPT = """
import pathlib, sys, yaml
from tests.original_ref.test_launch import DONE
for epoch in range(len(DONE), yaml.safe_load(pathlib.Path(sys.argv[4]).read_text())["epochs"]):
    if epoch == {last}:
        raise ValueError({message!r})
    DONE.append(epoch)
print("evaluated after", len(DONE))
"""


@pytest.fixture
def started(tmp_path, monkeypatch):
    """A Launch of four epochs, whose script ends in the third with an error that says `message`."""
    DONE.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "fetch", lambda: tmp_path)
    monkeypatch.setattr(launch, "import_from", lambda checkout: None)
    monkeypatch.setattr(launch, "apply_shims", lambda root, gpu: None)
    for name in ("put_in_images", "put_in_network", "put_in_augmentations"):
        monkeypatch.setattr(adapters, name, lambda *arguments: None)
    monkeypatch.setattr(adapters.Seeds, "put_in", lambda self: None)
    monkeypatch.setattr(launch, "Watch", lambda *arguments: SimpleNamespace(rows=DONE, start={}, put_in=lambda: None))
    session = SimpleNamespace(
        device=torch.device("cpu"), cell=Cell("original_ref", "selflabel", "digits", "0-0", "main", "default"), settings={},
        identity=lambda: "0" * 64, made_from=lambda: "0" * 64, execution=SimpleNamespace(tracking="disabled"))
    dataset = SimpleNamespace(facts={"images": {"train": 8}, "shape": [8, 8, 1]})

    def start(message, of="digits"):
        session.cell = replace(session.cell, dataset=of)
        (tmp_path / "script.py").write_text(SCRIPT.format(last=2, message=message))
        one = launch.Launch(session, dataset, Training(4, 4, Optimizer("adam", 0.1, 0.0)))
        return one, lambda: one.run("script.py", {"epochs": 4}, None, None)

    return start


@pytest.mark.parametrize("message, reason", launch.ENDINGS.items())
def test_a_script_that_ends_itself_goes_on_to_its_end_with_the_epochs_that_it_had_done(started, message, reason):
    one, run = started(f"{message}.")
    assert len(run().rows) == 2
    assert one.ended == [f"the authors' script.py ended itself in epoch 3, since {reason} ({message}.); it is scored by "
                         "what it had after epoch 2"]
    assert (one.root / "log.txt").read_text().endswith("evaluated after 2\n")


def test_a_script_on_another_data_set_leaves_the_folder_of_one_that_may_be_at_work(started):
    one, _ = started("")
    one.root.mkdir(parents=True)
    other, _ = started("", of="cifar10")
    assert one.root.exists() and one.root != other.root


def test_any_other_error_is_a_failure(started):
    one, run = started("out of memory")
    with pytest.raises(UserError, match=r"script.py stopped \(ValueError: out of memory\); its log is .*log.txt"):
        run()
    assert not one.ended and "evaluated" not in Path(one.root / "log.txt").read_text()


def test_what_it_had_counts_like_any_other_result():
    """Of three seeds of which one ended itself at 30, the claim is not borne out by the other two."""
    theirs, ours = "original_ref/default/selflabel", "reimpl/default/selflabel"
    found = [*made.cells({ours: {"0-0": 0.8705, "1-0": 0.871, "2-0": 0.87}}), *made.cells({theirs: {"0-0": 0.87, "1-0": 0.871}}),
             made.cell(theirs, "2-0", made.scores(0.3), degenerate=launch.ending("selflabel.py", list(launch.ENDINGS)[0], 0))]
    summary = Summary("main", made.study(), rows(found), found, {}, {})
    assert len(summary.percent(theirs, "acc")) == 3
    claim = Claim(text="t", source="s", kind="same", of=ours, than=theirs, margin=1.0)
    (verdict,) = decide([judge(claim, *(Side(summary.percent(step, "acc"), images=10_000) for step in (ours, theirs)))])
    assert verdict.finding.n == 3 and verdict.word == "undecided"
