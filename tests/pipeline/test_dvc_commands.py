"""What DVC's own commands say of a finished project, as docs/dvc-wandb.md has them."""

import csv
import json
import re
import shlex
import statistics
import subprocess

import pytest

from .conftest import ROOT
from .test_repro import ran

COMMANDS = re.findall(r"^(?:\| `)?(dvc [^`\n]+)", (ROOT / "docs/dvc-wandb.md").read_text(), re.MULTILINE)
SAYS = {
    "dvc repro": "Stage 'studies/main/dvc.yaml:selflabel@default-0-0' didn't change, skipping",
    "dvc status": "listing:\n\talways changed",
    "dvc stage list": "studies/main/dvc.yaml:scan@default-0-0 ",
    "dvc dag": '["studies/main/dvc.yaml:scan"]',
    "dvc metrics show": "reimpl/default/selflabel",
    "dvc metrics diff": "",
    "dvc params diff": "",
    "dvc plots show": "dvc_plots/index.html",
    "dvc plots diff": "dvc_plots/index.html",
}
"""A part of what each prints where nothing has changed since the last commit; all of it where that is nothing."""
MEANS, CELLS, CURVES = (f"runs/digits/summary/main/{file}" for file in ("means.json", "cells.csv", "curves.csv"))
SELFLABEL = "runs/digits/studies/main/reimpl/default/0-0/selflabel/metrics.json"
STEP = "reimpl/default/selflabel"


def read(project, file):
    return json.loads((project.folder / file).read_text())


def plotted(project, file):
    """The data that a plot is drawn from, and its title."""
    found = json.loads(project.run("dvc", "plots", "show", "--show-vega", f"../../{file}").stdout)
    return found["data"]["values"], found["title"]


def test_metrics_show_the_mean_accuracy_of_each_step(finished):
    shown = json.loads(finished.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
    assert shown == {MEANS: {"data": read(finished, MEANS)}}
    with open(finished.folder / CELLS, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "acc"]
    assert read(finished, MEANS) == {step: statistics.fmean(float(row["value"]) for row in rows if row["step"] == step)
                                     for step in {row["step"] for row in rows}}


def test_plots_show_seeds_and_curves(finished):
    rows, title = plotted(finished, CELLS)
    assert title == "main: seeds"
    assert {(row["step"], row["seed"], row["metric"], float(row["value"])) for row in rows} >= {
        (STEP, "0-0", "acc", read(finished, SELFLABEL)["metrics"]["acc"])}
    rows, title = plotted(finished, CURVES)
    assert title == "main: curves"
    assert [(row["epoch"], float(row["loss"])) for row in rows if row["step"] == STEP] == [
        (str(row["epoch"]), row["loss"]) for row in read(finished, SELFLABEL)["curves"]]


@pytest.fixture(scope="module")
def committed(finished, tmp_path_factory):
    """The finished project with its dvc.lock files in git."""
    project = finished.copy(tmp_path_factory.mktemp("committed") / "project")
    for command in (["config", "user.name", "t"], ["config", "user.email", "t@t"], ["add", "-A"], ["commit", "-qm", "run"]):
        subprocess.run(["git", *command], cwd=project.folder, check=True)
    return project


def documented(beginning):
    """The first command of the page that begins so, as arguments."""
    return shlex.split(next(command for command in COMMANDS if command.startswith(beginning)))


def test_every_command_of_the_page_is_tried():
    """But a queue of experiments, which is as long as they are."""
    tried = (*SAYS, "dvc exp run -S", "dvc exp show")
    assert [command for command in COMMANDS if not command.startswith((*tried, "dvc exp run --queue", "dvc queue start"))] == []


@pytest.mark.parametrize("beginning", SAYS)
def test_a_command_prints_what_the_page_says_and_leaves_the_code_as_it_is(committed, beginning):
    printed = committed.run(*documented(beginning)).stdout
    assert SAYS[beginning] in printed and bool(printed) == bool(SAYS[beginning])
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=committed.folder, check=True, capture_output=True).stdout
    assert changed == b""  # or the records of what runs next would say that the code is not that of the commit


def test_an_experiment_is_compared_in_its_settings_and_its_metrics(committed, tmp_path):
    """From the committed dvc.lock: `exp run -S` runs again what the setting touches, and the others tell what that changed."""
    project = committed.copy(tmp_path / "project")
    before = read(project, MEANS)
    log = project.run(*documented("dvc exp run -S")).stdout
    setting = "selflabel.threshold"
    assert ran(log) == {f"studies/main/dvc.yaml:{name}" for name in (
        "settings", "selflabel@default-0-0", "original_selflabel@default-0-0", "summary")} | {"settings", "listing"}
    assert read(project, SELFLABEL)["settings"]["selflabel"]["threshold"] == 0.9
    changes = json.loads(project.run("dvc", "params", "diff", "--json").stdout)
    assert changes["params/digits.yaml"] == {setting: {"old": 0.2, "new": 0.9, "diff": pytest.approx(0.7)}}
    differ = json.loads(project.run("dvc", "metrics", "diff", "--json").stdout).values()
    changed = {key: row for rows in differ for key, row in rows.items()}  # none, where rounding lets so small a run end alike
    now = read(project, MEANS)
    assert {key: (row["old"], row["new"]) for key, row in changed.items()} == {
        key: (before[key], now[key]) for key in now if now[key] != before[key]}
    table = list(csv.DictReader(project.run(*documented("dvc exp show"), "--csv").stdout.splitlines()))
    assert [row[setting] for row in table] == ["0.9", "0.2", "0.9"]
    assert STEP not in changed or [float(row[STEP]) for row in table] == [now[STEP], before[STEP], now[STEP]]
    assert not any(column.startswith(("data/", "params/", "runs/")) for column in table[0])
