"""What jobs ask for, by the file as it stands and by files that are wrong."""

from pathlib import Path

import pytest
import yaml

from harness import ROOT, resources
from harness.errors import UserError
from harness.params import PARAMS


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Write the project's params/slurm.yaml, changed, and return what is read of it."""
    def read(change):
        settings = yaml.safe_load((ROOT / resources.FILE).read_text())
        change(settings)
        monkeypatch.chdir(tmp_path)
        Path("params").mkdir(exist_ok=True)
        resources.FILE.write_text(yaml.safe_dump(settings))
        Path("params.yaml").write_text((ROOT / "params.yaml").read_text().replace("threads: 1", "threads: 3"))
        return resources.cluster()
    return read


def test_processes_that_train_together_ask_for_memory_and_cores_each(edited, monkeypatch):
    """Three threads each."""
    found = edited(lambda settings: settings.update(default={"memory_mib": 10, "minutes": 20}, stages={"scan": {"cpus": 5}}))
    PARAMS.write_text(PARAMS.read_text().replace("processes: 1", "processes: 2"))
    asked = {stage: (found.resources(stage).memory_mib, found.resources(stage).cpus) for stage in ("pretext", "scan", "kmeans")}
    assert asked == {"pretext": (20, 6), "scan": (20, 5), "kmeans": (10, 3)}


def test_each_node_of_several_is_asked_for_its_share(edited):
    found = edited(lambda settings: settings.update(default={"memory_mib": 10, "minutes": 20, "nodes": 2}, stages={}))
    PARAMS.write_text(PARAMS.read_text().replace("processes: 1", "processes: 4"))
    pretext, kmeans = found.resources("pretext"), found.resources("kmeans")
    assert found.resources("pretext", "original_ref").nodes == 1  # the authors' code trains by one process
    assert (pretext.nodes, pretext.memory_mib, pretext.cpus) == (2, 20, 6) and (kmeans.nodes, kmeans.memory_mib) == (1, 10)
    PARAMS.write_text(PARAMS.read_text().replace("processes: 4", "processes: 3"))
    with pytest.raises(UserError, match="default: nodes is 2, and should divide execution.processes in params.yaml, 3"):
        found.resources("pretext")


def test_a_stage_asks_for_what_is_said_of_it_over_what_is_said_of_all(edited):
    found = edited(lambda settings: settings.update(
        default={"memory_mib": 10, "minutes": 20, "gres": "gpu:1"}, stages={"kmeans": {"gres": "", "cpus": 8}}))
    scan, kmeans = found.resources("scan"), found.resources("kmeans")
    assert (scan.memory_mib, scan.minutes, scan.gres, scan.cpus) == (10, 20, "gpu:1", 3)
    assert (kmeans.memory_mib, kmeans.gres, kmeans.cpus) == (10, "", 8)


@pytest.mark.parametrize("change, says", [
    (lambda settings: settings["stages"].update(scann={}), "params/slurm.yaml: stages has 'scann', and there are pretext"),
    (lambda settings: settings["stages"]["kmeans"].update(minuts=3), "stages.kmeans over default: unknown setting 'minuts'; did"),
    (lambda settings: settings["default"].update(memory_mib=0), "default: memory_mib is 0, and should be above 0"),
    (lambda settings: settings["default"].update(nodes=0), "default: nodes is 0, and should be at least 1"),
    (lambda settings: settings["default"].update(flags=["x"]), r"flags is \['x'\], and should be options"),
    (lambda settings: settings.update(jobs=0), "params/slurm.yaml: jobs is 0, and should be above 0"),
])
def test_a_file_that_is_wrong_is_named(edited, change, says):
    with pytest.raises(UserError, match=says):
        edited(change)
