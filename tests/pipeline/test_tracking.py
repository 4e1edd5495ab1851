"""What W&B has of a stage that was killed, and of a sweep's cell: by its own programs, against a stand-in for its server."""

import json

import pytest

from tests.wandb_server import serving

from .conftest import CELL
from .test_robust import OUT, kill_after_a_checkpoint


@pytest.fixture
def server(monkeypatch):
    with serving() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def track(project, mode):
    project.edit("params.yaml", lambda params: params["execution"].update(tracking=mode))
    return project


def folders(project):
    return sorted((project.folder / "wandb").glob("offline-run-*"))


@pytest.mark.parametrize("stage, mode", [("pretext", "online"), ("selflabel", "offline")])
def test_a_killed_stage_is_one_run_with_all_epochs_once(project, server, stage, mode):
    """Offline, its run is one folder, which `wandb sync` uploads."""
    track(project, mode)
    kill_after_a_checkpoint(project, stage)
    killed = folders(project)
    assert len(killed) == (mode == "offline")
    assert "going on after epoch" in project.stage(stage).stderr
    if mode == "offline":
        (whole,) = folders(project)
        assert whole not in killed and server.runs == {}
        assert "finished" in project.run("wandb", "leet", "inspect", "--summary", str(whole)).stdout
        project.run("wandb", "sync", str(whole))
    (run,) = server.runs.values()
    record = json.loads((project.folder / OUT[stage] / "metrics.json").read_text())
    assert [row["epoch"] for row in run.history] == [row["epoch"] for row in record["curves"]] == [1, 2, 3, 4]
    assert [row["loss"] for row in run.history] == [row["loss"] for row in record["curves"]]
    figures = {key: value for key, value in record["metrics"].items() if isinstance(value, (int, float))}
    assert figures.items() <= run.summary.items() and run.complete
    assert {key: run.config[key] for key in record["cell"]} == record["cell"]
    assert run.config["settings"] == {section: values for section, values in record["settings"].items() if values}
    tables = [json.loads(content) for name, content in run.files.items() if name.startswith("media/table/confusion_table")]
    assert [sum(row[2] for row in table["data"]) for table in tables] == [360] * (stage != "pretext")
    used = sum(any(images) for images in zip(*record["metrics"].get("confusion", ())))
    assert len([name for name in run.files if name.startswith("media/images/prototypes")]) == used
    assert run.given["groupName"] == ("digits/shared/reimpl/simclr" if stage == "pretext" else "digits/main/reimpl/default")


def test_what_was_uploaded_and_other_runs_are_left_alone(project):
    """A run of which a part is on W&B, as `wandb sync` marks it, and the run of another stage, which was killed too."""
    track(project, "offline")
    kill_after_a_checkpoint(project, "selflabel")
    (other,) = folders(project)
    for file in (project.folder / "checkpoints").glob("*.pt"):
        file.unlink()
    kill_after_a_checkpoint(project, "scan")
    (part,) = set(folders(project)) - {other}
    (part / f"{next(part.glob('*.wandb')).name}.synced").touch()
    project.stage("scan")
    assert {other, part} < set(folders(project)) and len(folders(project)) == 3


def test_an_agent_of_a_sweep_runs_a_cell_whose_stages_have_runs_of_their_own(project, server):
    """`wandb sweep` and `wandb agent`, with one stage to run."""
    track(project, "online")
    project.edit("params/digits.yaml", lambda digits: digits["selflabel"].update(threshold=0.3))
    project.run("studies", "sweep", "main")
    project.run("wandb", "sweep", "runs/digits/sweeps/main.yaml")
    (sweep,) = server.sweeps.values()
    given = {key: value.get("value") or value["values"][0] for key, value in sweep["parameters"].items()}
    assert given == {"study": "main", "arm": "reimpl/default", "seed": "0-0"} and sweep["method"] == "grid"
    server.commands = [{"type": "run", "run_id": "cell", "program": sweep["program"],
                        "args": {key: {"value": value} for key, value in given.items()}}]
    project.run("wandb", "agent", "--count", "1", "someone/scan-repro/s")
    cell, stage = server.runs.pop("cell"), *server.runs.values()
    figures = json.loads((project.folder / CELL / "selflabel/metrics.json").read_text())
    assert figures["settings"]["selflabel"]["threshold"] == 0.3 and cell.given["sweep"] == "s"
    assert cell.summary["selflabel/acc"] == stage.summary["acc"] == figures["metrics"]["acc"]
    assert stage.given["groupName"] == cell.given["groupName"] == "digits/main/reimpl/default"
    assert {key: stage.config[key] for key in figures["cell"]} == figures["cell"] and "sweep" not in stage.given
