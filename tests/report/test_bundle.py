"""The zip of a report: every link of every page in it is followed there, every checksum recomputed, what is missing named."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from harness.errors import UserError
from original_ref.checkout import REPOSITORY
from report import overview, page
from report.bundle import FOLDER, SUMS, bundle
from tests.report import made
from tests.report.parsed import Tree
from tests.report.test_overview import CLAIMS, SMALL, put, summary

PAGE, ZIP = "report/output/index.html", "out/report.zip"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one data set whose records are there, and its pages."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    one = summary(SMALL, CLAIMS)
    for cell in one.records:
        file = tmp_path / cell["path"]
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(cell["record"]))
        if not cell["record"]["not_run"]:
            cell["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    put(tmp_path, "small", 900, one)
    overview.build([page.build("small", Path("runs/small/summary"), Path("report/output/small"))], Path("report/output"))
    return tmp_path


def test_every_link_in_the_zip_leads_to_a_file_in_it(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    files = bundle(PAGE, ZIP)
    with zipfile.ZipFile(ZIP) as packed:
        assert packed.testzip() is None and len(packed.namelist()) == files + 1
        packed.extractall(elsewhere)
    root, links = elsewhere / FOLDER, []
    for file in (root / PAGE, root / "report/output/small/index.html"):
        tree = Tree(file.read_text()).root
        for link in (one.attributes["href"] for one in tree.all("a") if not one.attributes["href"].startswith(REPOSITORY)):
            target, _, place = link.partition("#")
            links.append(target)
            end = file.parent / target if target else file
            assert end.is_file(), link
            if place:
                assert any(one.attributes.get("id") == place for one in Tree(end.read_text()).root.all()), link
    kinds = {Path(link).suffix for link in links}
    assert {".json", ".csv", ".tex", ".html"} <= kinds and sum(link.endswith("metrics.json") for link in links) >= 12
    sums = dict(reversed(line.split("  ")) for line in (root / SUMS).read_text().splitlines())
    there = {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}
    assert set(sums) == there - {SUMS}
    assert all(hashlib.sha256((root / name).read_bytes()).hexdigest() == found for name, found in sums.items())


def test_the_same_report_is_the_same_zip(project):
    first, second = Path("out/first.zip"), Path("out/second.zip")
    assert bundle(PAGE, first) == bundle(PAGE, second) and first.read_bytes() == second.read_bytes()


def test_what_is_missing_or_has_changed_since_is_named_and_nothing_is_written(project):
    (record,) = [cell for cell in made.cells({"reimpl/default/scan": {"0-0": 0.5}})]
    file = Path(record["path"])
    text = file.read_text()
    file.write_text(text + " ")
    with pytest.raises(UserError, match=rf"{file} is not what report/output/small/index.html shows of it: `make report`"):
        bundle(PAGE, ZIP)
    file.unlink()
    with pytest.raises(UserError, match=rf"small/index.html leads to {file}, which is not there"):
        bundle(PAGE, ZIP)
    with pytest.raises(UserError, match="^nowhere/index.html, which is not there: `make report`"):
        bundle("nowhere/index.html", ZIP)
    Path("out.html").write_text('<a href="../passwd">x</a>')
    with pytest.raises(UserError, match=r"out.html leads to ../passwd, which lies outside of the project"):
        bundle("out.html", ZIP)
    assert not list(Path().glob("out/*"))
