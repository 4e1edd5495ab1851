"""What a run brings up to date, in which order, and what it says of what failed; with `dvc repro` replaced by a fake."""

import contextlib
import json
import sys
from types import SimpleNamespace

from harness.engine import run, slurm
from harness.engine.plan import Job
from harness.errors import UserError
from harness.params import ENGINES
from harness.record import FILE

from .watched import WHY, Watched, jobs_of

GRAPH = {"code": (), "reference": ("code",), "dataset": ("code",), "a@0": ("dataset",), "a@1": ("dataset",),
         "b@0": ("a@0",), "b@1": ("a@1",), "s:summary": ("b@0", "b@1"), "report": ("s:summary",)}
CELLS = {"a@0", "a@1", "b@0", "b@1"}


def brought(monkeypatch, tmp_path, failing=(), spoilt=(), also=()):
    """A run over GRAPH in `tmp_path`, of which CELLS are stale and all that comes after: the error, or None, and what was seen.

    Args: spoilt: what DVC takes for stale once it has run; also: what else is stale.
    """
    monkeypatch.chdir(tmp_path)

    def read():
        ended = watched.ended - set(spoilt)
        return {name: Job(name, frozenset(before), (f"out/{name}/model.pt", f"out/{name}/{FILE}"), name in stale - ended)
                for name, before in GRAPH.items()}

    stale, watched = CELLS | {"s:summary", "report", *also}, Watched(jobs_of(GRAPH), failing)
    watched.ended |= {"dataset"} - set(also)
    monkeypatch.setattr(run, "first", lambda: ["code"])
    monkeypatch.setattr(run, "make_ready", lambda: None)
    monkeypatch.setattr(run, "read_jobs", read)
    monkeypatch.setattr(run, "repro", watched)
    monkeypatch.setattr(run, "module_of", lambda engine: SimpleNamespace(
        workers=lambda jobs, todo, at_once, board: contextlib.nullcontext((at_once, watched))))
    for name in CELLS:
        (tmp_path / "out" / name).mkdir(parents=True)
        for file in ("model.pt", FILE):
            (tmp_path / "out" / name / file).write_text(json.dumps({"evidence": {}}))
    try:
        run.run([], 2)
    except UserError as error:
        return str(error), watched
    return None, watched


def test_an_engine_is_the_file_of_its_name(monkeypatch):
    """Of those that there are, and of a new one; that of params.yaml, where none is named."""
    monkeypatch.setitem(sys.modules, "harness.engine.other", other := SimpleNamespace())
    monkeypatch.setattr(run, "execution", lambda: SimpleNamespace(engine="slurm"))
    assert run.module_of("other") is other and run.module_of(None) is slurm
    assert all(callable(run.module_of(name).workers) and callable(run.module_of(name).tell) for name in ENGINES)


def test_code_settings_and_reference_come_first_then_cells_then_their_summary(monkeypatch, tmp_path, capsys):
    error, watched = brought(monkeypatch, tmp_path)
    assert error is None and watched.calls[0] == ["code", "reference"] and watched.early == [("reference", "code")]  # in one call
    assert watched.started()[-2:] == ["s:summary", "report"] and set(watched.started()[2:-2]) == CELLS
    assert "6 of 6 stages done in 0:00" in capsys.readouterr().out


def test_the_authors_code_runs_last_and_the_report_is_made_before_and_after_it(monkeypatch, tmp_path, capsys):
    """Though one of its two cells is ready at once. The first report finds the reason in place of their records."""
    graph = GRAPH | {"original_a@0": ("dataset",), "s:original_b@0": ("original_a@0",),
                     "s:summary": (*GRAPH["s:summary"], "s:original_b@0")}
    monkeypatch.setitem(globals(), "GRAPH", graph)
    monkeypatch.setitem(globals(), "CELLS", CELLS | {"original_a@0", "s:original_b@0"})
    monkeypatch.setattr(run, "reason_not_run", lambda: None)
    reported = []

    class Reporting(Watched):
        def __call__(self, names, board, slot):
            if names == ["report"]:
                reported.append(json.loads((tmp_path / "out/s:original_b@0" / FILE).read_text()).get("not_run"))
            return super().__call__(names, board, slot)

    monkeypatch.setitem(globals(), "Watched", Reporting)
    error, watched = brought(monkeypatch, tmp_path)
    ends, theirs, started = ["s:summary", "report"], ["original_a@0", "s:original_b@0"], watched.started()[2:]
    assert error is None and started[4:] == [*ends, *theirs, *ends] and set(started[:4]) == {"a@0", "a@1", "b@0", "b@1"}
    assert reported[0] == run.LATER
    shown = capsys.readouterr().out
    assert shown.index(run.INTERIM) < shown.index("8 of 8 stages done in 0:00")


def test_a_cell_that_failed_and_those_after_it_have_a_record_that_says_why_and_are_summed_up(monkeypatch, tmp_path, capsys):
    error, watched = brought(monkeypatch, tmp_path, failing={"a@1"})
    assert error == "failed: a@1; left out: b@1; `dvc repro STAGE` shows why"
    assert watched.started()[-2:] == ["s:summary", "report"] and "b@1" not in watched.started()
    assert "4 of 6 stages done" in capsys.readouterr().out
    records = {name: json.loads((tmp_path / "out" / name / FILE).read_text()).get("not_run") for name in CELLS}
    assert records == {"a@0": None, "b@0": None, "a@1": WHY, "b@1": "not run, since a@1 failed"}
    assert {name for name in CELLS if (tmp_path / "out" / name / "model.pt").exists()} == {"a@0", "b@0"}


def test_a_record_of_the_authors_code_is_put_aside_and_back_again(monkeypatch, tmp_path):
    """It is in a folder that their stage clears itself; their second one was left out, and the first left nothing."""
    monkeypatch.chdir(tmp_path)
    folders = {name: f"runs/d/original_ref/{name}" for name in ("first@0", "second@0")}
    second = tmp_path / folders["second@0"]
    second.mkdir(parents=True)
    (second / "model.pt").touch()
    (second / FILE).write_text(whole := '{\n "metrics": {"acc": 0.5}\n}\n')
    found = {"first@0": Job("first@0", frozenset(), (folders["first@0"],), True),
             "second@0": Job("second@0", frozenset({"first@0"}), (folders["second@0"],), False)}
    run.give_reasons(found, set(found), {"first@0": WHY})
    records = [json.loads((tmp_path / folder / FILE).read_text()) for folder in folders.values()]
    assert [(record["not_run"], record["metrics"]) for record in records] == [(WHY, {}), ("not run, since first@0 failed", {})]
    run.put_back()
    assert (second / FILE).read_text() == whole and (second / "model.pt").exists()
    assert json.loads((tmp_path / folders["first@0"] / FILE).read_text())["not_run"] == WHY


def test_without_what_all_cells_need_there_is_nothing_to_sum_up(monkeypatch, tmp_path):
    error, watched = brought(monkeypatch, tmp_path, failing={"dataset"}, also={"dataset"})
    assert error == "failed: dataset; left out: a@0, a@1, b@0, b@1, report, s:summary; `dvc repro STAGE` shows why"
    assert watched.started()[-1] == "dataset"


def test_a_stage_that_is_not_up_to_date_after_it_ran_is_not_done(monkeypatch, tmp_path, capsys):
    error, _ = brought(monkeypatch, tmp_path, spoilt={"report"})
    assert error == ("not in DVC's cache as their stages left them (is the disk full?): report; `dvc repro STAGE` shows why")
    assert "5 of 6 stages done" in capsys.readouterr().out
