"""W&B's own files, as `wandb sync` would upload them: a stage that was killed is one run with all epochs, once."""

import json
import struct

import pytest

from .test_robust import OUT, kill_after_a_checkpoint

BLOCK, HEADER = 32768, 7  # of LevelDB's log format, which a .wandb file has after a header of its own, of 7 bytes, too


def records(file):
    """The records of a .wandb file, as far as it was written, each in W&B's own type."""
    from wandb.proto import wandb_internal_pb2

    data, position, parts = file.read_bytes(), HEADER, b""
    while position + HEADER <= len(data):
        left = BLOCK - position % BLOCK
        if left < HEADER:  # padding
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + HEADER])
        if not length and not kind:
            break
        position += HEADER + length
        parts += data[position - length : position]
        if kind in (1, 4):  # whole, or the last part
            yield wandb_internal_pb2.Record.FromString(parts)
            parts = b""


def run_and_epochs(folder):
    """What one offline run says of itself, and the epochs of its history."""
    (file,) = folder.glob("*.wandb")
    found = list(records(file))
    (run,) = (record.run for record in found if record.WhichOneof("record_type") == "run")
    rows = [{"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            for record in found if record.WhichOneof("record_type") == "history"]
    assert all(row["_step"] == row["epoch"] for row in rows)
    return run, [row["epoch"] for row in rows]


@pytest.fixture
def tracked(project):
    project.edit("params.yaml", lambda params: params["execution"].update(tracking="offline"))
    return project


def folders(project):
    return sorted((project.folder / "wandb").glob("offline-run-*"))


@pytest.mark.parametrize("stage", ["pretext", "selflabel"])
def test_a_killed_stage_is_one_run_with_all_epochs_once(tracked, stage):
    kill_after_a_checkpoint(tracked, stage)
    killed = folders(tracked)
    assert len(killed) == 1
    assert "going on after epoch" in tracked.stage(stage).stderr
    (whole,) = folders(tracked)
    run, epochs = run_and_epochs(whole)
    assert whole != killed[0] and epochs == [1, 2, 3, 4]
    record = json.loads((tracked.folder / OUT[stage] / "metrics.json").read_text())
    assert [row["epoch"] for row in record["curves"]] == epochs
    assert list(run.tags)[0] == "digits" and "reimpl" in run.tags
    tables = [json.loads(file.read_text()) for file in whole.glob("files/media/table/confusion_table*.json")]
    assert [sum(row[2] for row in table["data"]) for table in tables] == {"pretext": [], "selflabel": [360]}[stage]
    assert run.run_group == {"pretext": "digits/shared/reimpl/simclr", "selflabel": "digits/main/reimpl/default"}[stage]


def test_what_was_uploaded_and_other_runs_are_left_alone(tracked):
    """A run of which a part is on W&B, as `wandb sync` marks it, and the run of another stage, which was killed too."""
    kill_after_a_checkpoint(tracked, "selflabel")
    (other,) = folders(tracked)
    for file in (tracked.folder / "checkpoints").glob("*.pt"):
        file.unlink()
    kill_after_a_checkpoint(tracked, "scan")
    (part,) = set(folders(tracked)) - {other}
    (part / f"{next(part.glob('*.wandb')).name}.synced").touch()
    tracked.stage("scan")
    assert {other, part} < set(folders(tracked)) and len(folders(tracked)) == 3
