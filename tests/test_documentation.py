"""What the documentation names is there."""

import ast
import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness.pipeline.study import FIGURES, KINDS, Claim, Figures, Study, load_study
from harness.stages import GROUPS
from report.bundle import gathered
from report.verdicts import WORDS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_code_and_every_link_leads_somewhere(page):
    text = page.read_text()
    files = re.findall(r"`((?:harness|reimpl|original_ref|report|studies|tests)/[\w/.]+\.(?:py|yaml|css|jinja))`", text)
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert files or links
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert [link for link in links if not (page.parent / link).exists()] == []


def imported(file):
    """The dotted names that a file imports, those in its functions among them."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield from (start + alias.name for alias in node.names)


def test_each_layer_has_a_row_and_imports_only_from_the_rows_below_it():
    rows = re.findall(r"^\| (`\w+/.*?`) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    layers = {folder: place for place, row in enumerate(rows) for folder in re.findall(r"`([\w/]+)/`", row)}
    packages = [file.parent for pattern in ("*", "harness/*") for file in ROOT.glob(f"{pattern}/__init__.py")]
    assert {package.relative_to(ROOT).as_posix() for package in packages} - {"tests"} == {*layers}

    def layer(path):
        """The innermost folder of the table that a path lies in; None of another library's."""
        return max((folder for folder in layers if f"{path}/".startswith(f"{folder}/")), key=len, default=None)

    pairs = {(layer(file.relative_to(ROOT).as_posix()), layer(name.replace(".", "/")))
             for package in packages if package.name != "tests" for file in package.rglob("*.py") for name in imported(file)}
    assert len(pairs) > 20
    assert {(own, other) for own, other in pairs if other not in (None, own) and layers[other] <= layers[own]} == set()


def test_every_word_and_every_kind_of_claim_is_explained():
    text = (ROOT / "docs/statistics.md").read_text()
    assert [word for word in WORDS if f"**{word.capitalize()}**" not in text and f"**{word}**" not in text] == []
    assert [kind for kind in KINDS if f"| `{kind}`" not in text] == []


def section(page, heading):
    """The text below a heading, as far as the next one."""
    return (ROOT / "docs" / page).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def keys(text):
    """The names in code that stand in the first column of a table."""
    return {key for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}


def test_every_key_of_a_study_is_explained_and_no_other():
    page = "study-yaml.md"
    for heading, kind in {"The study": Study, "A claim": Claim, "Published figures": Figures}.items():
        assert keys(section(page, heading)) == {field.name for field in fields(kind)}, heading
    assert keys(section(page, "Groups of arms")) == set(GROUPS)
    assert [name for name in (*KINDS, *FIGURES) if f"`{name}`" not in section(page, "A claim")] == []


def test_the_study_that_is_shown_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/study-yaml.md").read_text(), re.DOTALL)
    (tmp_path / "studies/shown").mkdir(parents=True)
    (tmp_path / "studies/shown/study.yaml").write_text(shown)
    study = load_study("shown")
    assert study.arms == yaml.safe_load(shown)["arms"] and study.claims[0].margin == 2.0


STEPS = {"k-means on the pixels": "kmeans/pixels/*", "k-means on the features of SimCLR": "kmeans/embeddings/*",
         "SCAN": "main/reimpl/default/*/scan", "SCAN + self-labeling": "main/reimpl/default/*/selflabel",
         "SCAN, the authors' code": "main/original_ref/default/*/scan",
         "SCAN + self-labeling, the authors' code": "main/original_ref/default/*/selflabel",
         "SCAN + self-labeling, from rotation prediction": "pretext_task/reimpl/rotation/*/selflabel",
         **{name: f"methods/reimpl/{arm}/*/baseline" for name, arm in {
             "IIC": "iic", "JULE": "jule", "DeepCluster": "deepcluster", "DEC": "dec",
             "autoencoder, k-means on its code": "autoencoder", "supervised learning": "supervised"}.items()}}


def test_the_results_shown_first_are_those_of_the_kept_records():
    """Mean and deviation, worked out here from the records' files."""
    table = section("../README.md", "What the kept records say").strip().split("\n\n")[1]
    header, _, *rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    assert [row[0] for row in rows] == list(STEPS) and len(header) > 2
    for column, dataset in list(enumerate(header))[1:-1]:
        for row in rows:
            files = (ROOT / "records" / dataset.strip("`")).glob(f"{STEPS[row[0]]}/metrics.json")
            found = [100 * json.loads(file.read_text())["metrics"]["acc"] for file in files]
            shown = f"{np.mean(found):.1f} ± {np.std(found, ddof=1):.1f} ({len(found)})" if found else "–"
            assert row[column] == shown, (row[0], dataset)


def test_the_sample_report_is_of_the_records_that_are_kept(monkeypatch):
    """Of each of them, whose SHA-256 it shows, and of no other; every link leads to a file. `make sample` makes it anew."""
    monkeypatch.chdir(ROOT)
    shown = gathered(Path("docs/sample/index.html"))
    kept = {file.as_posix() for file in Path("records/cifar10_small").rglob("metrics.json")}
    assert {path for path in shown if path.startswith("records/")} == kept and kept
