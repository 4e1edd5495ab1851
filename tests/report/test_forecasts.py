"""`python -m studies power`: its figures are those of report/power.py, which tests/report holds against SciPy."""

import pytest

from harness.errors import UserError
from harness.files import write_json
from harness.pipeline.study import Claim
from report.forecasts import forecast, power
from report.power import seeds_to_differ, seeds_to_equate
from tests.report import made


def test_each_claim_has_what_its_seeds_show_and_how_many_it_takes(tmp_path, monkeypatch, capsys):
    """Differences of 1, 2, 3 points: deviation 1. Two claims share 5 %; the third has no record, and takes no part."""
    monkeypatch.chdir(tmp_path)
    claims = tuple(Claim(text=f"claim {number}", source="s", kind="above", of=f"reimpl/{arm}/scan", than="reimpl/b/scan",
                         margin=margin) for number, (arm, margin) in enumerate((("a", 0.0), ("a", 4.0), ("c", 0.0))))
    study = made.study({"a": {"scan": {}, "selflabel": {}}, "b": {"scan": {}, "selflabel": {}}}, claims=claims, matters=2.0)
    found = made.cells({"reimpl/a/scan": {"0-0": 0.51, "1-0": 0.52, "2-0": 0.53}, "reimpl/b/scan": dict.fromkeys(
        ("0-0", "1-0", "2-0"), 0.5)})
    made.write(made.summary("s", study, found), tmp_path / "runs/digits/summary")
    facts = {"name": "digits", "images": {"train": 1, "test": 10**8}, "classes": []}
    write_json(tmp_path / "data/digits/dataset.json", facts)
    power([], "digits")
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "digits, 100000000 test images: with a chance of 80 %, at a level of 2.5 % (5 % for 2 claims)"
    assert lines[0] == "s: claim 0" and lines[4:] == ["s: claim 2", "    no record"]
    for shown, margin in ((lines[1], 2.0), (lines[3], 4.0)):
        assert shown.startswith("    3 seeds show a difference of ") and "deviation 1.00, error of the test images 0.01" in shown
        assert f"; {seeds_to_differ(margin, 1.0, 0.007, 0.025)} seeds show one of {margin}, and, if there is none at all" in shown
        assert shown.endswith(f"{seeds_to_equate(0.0, margin, 1.0, 0.007, 0.025)} seeds that it is below {margin}")
    power(["other"], "digits")
    assert len(capsys.readouterr().out.splitlines()) == 1
    with pytest.raises(UserError, match="dvc repro"):
        power([], "cifar10")


def test_what_no_number_of_seeds_shows_is_said():
    from report.estimates import Estimate

    assert "more than 1000 seeds (or more test images) show one of 1.0" in forecast(Estimate(0.0, 1.0, 5, 2.0), 1.0, 0.05)
    assert forecast(None, 1.0, 0.05) is None
