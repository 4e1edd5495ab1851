"""What DVC's own commands say of a finished project: metrics, plots, params, and an experiment with another setting."""

import csv
import json
import statistics
import subprocess

from .test_repro import ran

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


def test_an_experiment_is_compared_in_its_settings_and_its_metrics(project):
    """From the committed dvc.lock: `exp run -S` runs again what the setting touches, and the others tell what that changed."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["add", "-A"], [*identity, "commit", "-qm", "run"]):
        subprocess.run(["git", *command], cwd=project.folder, check=True)
    before = read(project, MEANS)
    setting, summary = "selflabel.training.epochs", "studies/main/dvc.yaml:summary"
    log = project.run("dvc", "exp", "run", "-S", f"params/digits.yaml:{setting}=1", summary).stdout
    assert ran(log) == {f"studies/main/dvc.yaml:{name}" for name in (
        "settings", "selflabel@default-0-0", "original_selflabel@default-0-0", "summary")} | {"settings", "listing"}
    assert read(project, SELFLABEL)["settings"]["selflabel"]["training"]["epochs"] == 1
    changes = json.loads(project.run("dvc", "params", "diff", "--json").stdout)
    assert changes["params/digits.yaml"] == {setting: {"old": 4, "new": 1, "diff": -3}}
    (changed,) = json.loads(project.run("dvc", "metrics", "diff", "--json").stdout).values()
    now = read(project, MEANS)
    assert {key: (row["old"], row["new"]) for key, row in changed.items()} == {
        key: (before[key], now[key]) for key in now if now[key] != before[key]}
    table = list(csv.DictReader(project.run("dvc", "exp", "show", "--csv").stdout.splitlines()))
    assert [(row[setting], float(row[STEP])) for row in table] == [("1", now[STEP]), ("4", before[STEP]), ("1", now[STEP])]
