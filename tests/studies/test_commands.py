"""The command line of `python -m studies`."""

import sys

import pytest

from studies import __main__ as commands
from studies.__main__ import main


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5", ""])
def test_fewer_than_one_at_a_time_is_refused(monkeypatch, capsys, jobs):
    monkeypatch.setattr(sys, "argv", ["studies", "run", f"--jobs={jobs}"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2 and f"{jobs} should be a whole number above 0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_pipeline_that_is_not_what_its_study_says_is_named_first(monkeypatch, capsys, tmp_path, command):
    (tmp_path / "studies/s").mkdir(parents=True)
    (tmp_path / "studies/s/study.yaml").write_text("{title: t, question: q, arms: {reimpl: {scan: {a: {scan: {}}}}}}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["studies", command])
    monkeypatch.setattr(commands, "check_run", lambda: None)  # there are no settings here to be wrong
    assert main() == 2
    assert capsys.readouterr().err == ("error: studies/s/dvc.yaml is not what study.yaml beside it says: "
                                       "`python -m studies write` brings it up to date\n")
