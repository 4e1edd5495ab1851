"""The page from hand-made summaries: every number of ours leads to its record in two clicks, and no link leads nowhere."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.errors import UserError
from harness.files import write_json
from harness.pipeline.study import Claim
from original_ref.checkout import COMMIT
from report import page
from report.answer import labels_read
from report.claims import Results
from report.templates import breakable, linked, minus
from tests.report import made
from tests.report.parsed import Element, Tree

SEEDS = ("0-0", "1-0", "2-0")


def claim(text, **fields):
    return Claim(**{"text": text, "source": "s", "kind": "above", **fields})


def central(accuracies):
    """The study main, of both implementations; the authors' code did not run on the last seed, and for two reasons."""
    arms = {name: {"clustering": {"default": {"scan": {}, "selflabel": {}}}} for name in ("reimpl", "original_ref")}
    study = made.study(arms, title="Central", shared=("kmeans/pixels", "kmeans/embeddings", "neighbors/simclr"), claims=(
        claim("improves", of="reimpl/default/selflabel", than="kmeans/embeddings", published="87.6 ± 0.4"),
        claim("is high", of="reimpl/default/selflabel", value=61.7, dataset="cifar10"),
        claim("is equal", of="reimpl/default/scan", kind="equal", value=60.0, margin=5.0),
        claim("both agree", of="reimpl/default/selflabel", kind="same", than="original_ref/default/selflabel", margin=1.0),
        claim("is never seen", of="reimpl/nobody/scan", than="reimpl/default/scan"),
    ))
    found = made.cells({"kmeans/pixels": {"0": 0.2, "1": 0.25, "2": 0.3}, "kmeans/embeddings": {"0": 0.4, "1": 0.5, "2": 0.6}})
    found += [made.cell("neighbors/simclr", seed, {"train_accuracy": 0.9, "test_accuracy": 0.8},
                        settings={"neighbors": {"train": 50, "test": 5, "scored": 20}}) for seed in "012"]
    for implementation in arms:
        for stage, values in accuracies.items():
            for seed, acc in zip(SEEDS, values):
                ran = implementation == "reimpl" or seed != SEEDS[2]
                acc -= 0.01 * (1 + SEEDS.index(seed)) * (implementation == "original_ref")
                found.append(made.cell(
                    f"{implementation}/default/{stage}", seed, made.scores(acc) if ran else None,
                    path(implementation, "default", stage, seed), not_run=None if ran else f"{stage} stopped"))
    return made.summary("main", study, found)


def path(implementation, arm, stage, seed, study="main"):
    return f"runs/digits/{study}/{implementation}/{arm}/{seed}/{stage}/metrics.json"


def against_default(name, arms, group, accuracies, **fields):
    """A study that reads main's default and has arms of its own."""
    stages = {"scan": ("scan",), "clustering": ("scan", "selflabel"), "selflabel": ("selflabel",)}[group]
    study = made.study({"reimpl": {group: {arm: {stage: {} for stage in stages} for arm in arms}}},
                       reads={"default": "main/reimpl/default"}, **fields)
    found = [made.cell(f"reimpl/default/{stage}", seed, made.scores(acc), path("reimpl", "default", stage, seed))
             for stage in stages for seed, acc in zip(SEEDS, accuracies[stage])]
    found += [made.cell(f"reimpl/{arm}/{stage}", seed, made.scores(acc - 0.1) | (ONE_CLUSTER if arm == "w0" else {}),
                        path("reimpl", arm, stage, seed, name), degenerate=["a loss is odd"] if arm == "w0" else [])
              for arm in arms for stage in stages for seed, acc in zip(SEEDS, accuracies[stage])]
    return made.summary(name, study, found)


ONE_CLUSTER = {"confusion": [[11, 0], [11, 0]]}
ACC = {"scan": (0.5, 0.6, 0.7), "selflabel": (0.6, 0.7, 0.81)}
MISSING = {"title": "Threshold", "question": "q",
           "arms": {"reimpl": {"selflabel": {"t050": {"selflabel": {"threshold": 0.5}}}}},
           "reads": {"t095": "main/reimpl/default"},
           "claims": [{"text": "not looked at", "source": "s", "kind": "above", "of": "reimpl/t095/selflabel",
                       "than": "reimpl/t050/selflabel"}]}


def built(folder, summaries, name="digits"):
    """The page of these summaries, parsed, and `folder` as the place that it was built in."""
    facts = {"name": name, "source": name, "classes": ["x", "y"], "images": {"train": 10_000, "test": 2000}, "shape": [8, 8, 1]}
    write_json(folder / "data" / name / "dataset.json", facts)
    for one in summaries:
        made.write(one, folder / "summary")
    page.build(name, Path("summary"), Path("report/output") / name)
    return Tree((folder / "report/output" / name / "index.html").read_text()).root


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """Where the page is."""
    return tmp_path_factory.mktemp("page") / "report/output/digits/index.html"


@pytest.fixture(scope="module")
def root(page_file):
    """A page on four studies, one more that was not run, and the divergences; parsed."""
    folder = page_file.parents[3]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "studies/threshold").mkdir(parents=True)
        (folder / "studies/threshold/study.yaml").write_text(yaml.safe_dump(MISSING))
        summaries = [
            central(ACC),
            against_default("entropy_weight", ["w0", "w1"], "scan", ACC, title="Entropy", claims=(
                claim("all collapses", kind="collapses", of="reimpl/w0/scan"),
                claim("helps", of="reimpl/default/scan", than="reimpl/w0/scan"))),
            against_default("divergences", ["class_balancing"], "selflabel", ACC, title="Divergences",
                            labels={"class_balancing": "without class balancing"}),
        ]
        seeds = made.cells({"reimpl/default/scan": {"0-0": 0.5, "0-1": 0.6, "1-0": 0.6, "1-1": 0.8}})
        summaries.append(made.summary("seeds", made.study({"default": {"scan": {}, "selflabel": {}}}, title="Seeds"), seeds))
        yield built(folder, summaries)


def by_id(root):
    return {element.attributes["id"]: element for element in root.all() if "id" in element.attributes}


def claims_table(root):
    """The claims of the first page's table: the cells of each row."""
    (table,) = root.all("table", class_="claims")
    rows = [row for body in table.all("tbody") for row in body.all("tr") if row.attributes.get("class") != "step"]
    return [[cell for cell in row.children if isinstance(cell, Element)] for row in rows]


def test_names_break_between_their_words_and_nothing_else_does():
    assert breakable("decay_of_all") == "decay_<wbr>of_<wbr>all"
    assert breakable("scan.entropy_over") == "scan.<wbr>entropy_<wbr>over"
    assert breakable("runs/d/0-0/a.json") == "runs/<wbr>d/<wbr>0-0/<wbr>a.<wbr>json"
    assert breakable("k5 <0.99>, here: a b_2") == "k5 &lt;0.99&gt;, here: a b_2"


def test_a_number_below_nothing_has_a_minus_sign_and_no_seed_or_name_has_one():
    assert minus("-0.4 [-1.4, 0.7] over 3 seeds, 0-3, of CIFAR-10") == "−0.4 [−1.4, 0.7] over 3 seeds, 0-3, of CIFAR-10"


def test_lines_of_the_authors_code_and_their_issues_are_links():
    """To the pinned commit; a file without a line may be of this project, and is none."""
    text = linked("As there (losses/losses.py:144-163; scan.py:69, 130), their issue 56 & shims.py")
    links = {link.text(): link.attributes["href"] for link in Tree(text).root.all("a")}
    code = f"https://github.com/wvangansbeke/Unsupervised-Classification/blob/{COMMIT}"
    assert links == {
        "losses/losses.py:144-163": f"{code}/losses/losses.py#L144-L163", "scan.py:69": f"{code}/scan.py#L69",
        "130": f"{code}/scan.py#L130", "issue 56": "https://github.com/wvangansbeke/Unsupervised-Classification/issues/56"}
    assert Tree(text).root.text() == "As there (losses/losses.py:144-163; scan.py:69, 130), their issue 56 & shims.py"


def test_every_id_is_given_once(root):
    ids = [element.attributes["id"] for element in root.all() if "id" in element.attributes]
    drawings = {inner.attributes["id"] for svg in root.all("svg") for inner in svg.all() if "id" in inner.attributes}
    page_ids = [one for one in ids if one not in drawings]
    assert sorted(page_ids) == sorted(set(page_ids)) and len(page_ids) > 30


def test_every_link_within_the_page_has_its_end(root):
    ends = by_id(root)
    links = [link.attributes["href"] for link in root.all("a") if link.attributes["href"].startswith("#")]
    assert len(links) > 50
    assert [link for link in links if link[1:] not in ends] == []


def test_every_number_of_ours_among_the_claims_is_two_clicks_from_its_file(root):
    """The link leads to a row of the evidence, whose own link leads, from the page's folder, to the record."""
    ends, numbers = by_id(root), 0
    for _, _, ours, _, _ in claims_table(root):  # claim, strip, ours, verdict, n
        if re.search(r"\d", ours.text()):
            (link,) = ours.all("a")
            assert re.sub(r"\D", "", link.text()) == re.sub(r"\D", "", ours.text())  # no digit stands outside of it
            row = ends[link.attributes["href"].removeprefix("#")]
            (file,) = row.all("a")
            assert re.fullmatch(r"\.\./\.\./\.\./runs/.*/metrics\.json", file.attributes["href"])
            assert file.text() == file.attributes["href"].removeprefix("../../../")
            numbers += 1
    assert numbers == 5


def test_the_claims_stand_first_each_with_its_verdict_and_numbers(root):
    """By hand: above k-means by 20, 20 and 21 points, above the authors' code by 1 and 2; SCAN's mean is 60 ± 10."""
    rows = [[cell.text().strip() for cell in row] for row in claims_table(root)]
    words = {"improves": "supported", "is equal": "undecided", "both agree": "undecided", "all collapses": "supported",
             "helps": "supported"}
    assert [row[3] for row in rows] == list(words.values())
    for text, row in zip(words, rows):
        assert row[0].startswith(text)
    improves, equal, agree, collapses, _ = rows
    assert improves[0].endswith("Published: 87.6 ± 0.4") and improves[1].startswith("+20.3 [")
    assert improves[2] == "70.3 ± 10.5 against 50.0 ± 10.0" and improves[4] == "3"
    assert equal[1].startswith("+0.0 [") and equal[2] == "60.0 ± 10.0"
    assert collapses[1:3] == ["", "3 of 3 collapsed"]
    assert agree[4] == "2"  # the seeds on which the authors' code ran
    assert root.text().index("improves") < root.text().index("Contents")
    (counts,) = root.all("ul", class_="counts")
    assert [item.text().split(maxsplit=1) for item in counts.all("li")] == [
        ["3", "supported"], ["0", "contradicted"], ["0", "no difference"], ["2", "undecided"]]
    text = next(root.all(id="claims")).text()
    assert "5 of 8 claims could be tested on digits." in text
    caveats = next(root.all(id="caveats")).text()
    assert "p corrected for the 3 claims here that have a p" in caveats  # one looks at runs, one has two seeds


def test_a_claim_that_the_correction_alone_leaves_undecided_says_so(tmp_path, monkeypatch):
    """By hand, of b: 8, 12 and 16 points are 5.2 standard errors, of which p is 0.035, and twice that beside another undecided
    claim. How to read the table stands before it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    study = made.study({arm: {"scan": {}} for arm in "abc"}, claims=tuple(
        claim(f"{arm} is above", of=f"reimpl/{arm}/scan", value=50.0) for arm in "abc") + (
        claim("a is above c", of="reimpl/a/scan", than="reimpl/c/scan"),))
    cells = made.cells({f"reimpl/{arm}/scan": dict(zip(SEEDS, values)) for arm, values in {
        "a": (0.90, 0.91, 0.92), "b": (0.58, 0.62, 0.66), "c": (0.45, 0.50, 0.56)}.items()})
    root = built(tmp_path, [made.summary("main", study, cells)])
    words = [row[3].text().strip() for row in claims_table(root)]
    assert words == ["supported", "undecided“supported” before the correction for 4 claims", "undecided", "supported"]
    assert "Probability of improvement" not in root.text()  # each run of a is above each run of c, which its seeds say already
    section = next(root.all(id="claims")).text()
    assert section.index("The interval is of one claim alone") < section.index("n, pretext seeds") < section.index("a is above")


def test_a_claim_leads_to_how_it_was_decided_and_its_strip_says_it(root):
    row, ends = claims_table(root)[0], by_id(root)
    (link,) = row[0].all("a")
    reason = ends[link.attributes["href"][1:]].text()
    assert "improves" in reason and "higher in 3 of 3" in reason
    assert "Probability of improvement (Agarwal et al. 2021) 0.94 [" in reason  # by hand 8.5 of 9 pairs
    assert "ACC by seed: 60.0 70.0 81.0 95 % interval of the mean: [44.2, 96.4]" in ends["study-main"].text()
    (strip,) = row[1].all("svg")
    assert strip.attributes["aria-label"].startswith("supported: +20.3 points [") and strip.attributes["role"] == "img"
    (mean,) = strip.all("circle")
    assert 50 < float(mean.attributes["cx"].rstrip("%")) <= 97


def test_what_was_not_tested_is_folded_away_with_the_reason(root):
    (table,) = root.all("table", class_="untested")
    rows = [[cell.text().strip() for cell in (*row.all("th"), *row.all("td"))] for row in table.all("tr")]
    assert [row for row in rows if len(row) == 3][1:] == [
        ["is never seen", "no record", "–"],
        ["is high", "the claim is about cifar10, and digits was run here", "–"],  # so last of its study
        ["not looked at", "the study was not run", "–"]]
    assert next(root.all(id="untested")).text().strip().startswith("3 claims not tested here")


def test_the_first_sentences_answer(root):
    """By hand: 60, 70 and 81 against 40, 50 and 60."""
    assert ("SCAN with self-labeling puts 70.3 ± 10.5 % of the test images into their class (mean of 3 runs). K-means on the "
            "features of its pretext task puts 50.0 ± 10.0 %: SCAN is above it.") in " ".join(root.text().split())


@pytest.mark.parametrize("dataset, scan, said", [
    ({"classes": ["x", "y"], "train_images": 4000, "test_images": 0}, {"selection": "validation"},
     "for comparison, by the stage dataset, which keeps some of the classes and the same share of each class, and by nothing "
     "else. SCAN's epoch and head are chosen by its loss on the test images, without their labels."),
    ({"classes": [], "train_images": 0, "test_images": 9}, {"selection": "last"},
     "for comparison, by the stage dataset, which keeps the same share of each class, and by nothing else. "
     "SCAN's head is chosen by its loss on the test images, without their labels."),
    ({"classes": [], "train_images": 0, "test_images": 0}, {}, "for comparison, and by nothing else.")])
def test_what_reads_labels_is_said_of_the_settings_that_were_run(dataset, scan, said):
    cells = [made.cell("kmeans/pixels", "0", {}, settings={"kmeans": {}}),
             made.cell("reimpl/default/scan", "0-0", {}, settings={"dataset": dataset, "scan": scan})]
    found = Results({"name": "toy"}, [made.summary("main", made.study(), cells)], [], [])
    assert labels_read(found) == f"Labels are read by the evaluation, by supervised learning where it was run {said}"
    found.facts["labelled"] = ["train"]  # what has no labels is picked without them
    assert ("the same share" in labels_read(found)) == bool(dataset["train_images"])


def test_every_section_stands_in_the_contents_and_not_run_studies_say_so(root):
    (contents,) = root.all("nav")
    listed = [(link.text(), link.attributes["href"][1:]) for link in contents.all("a")]
    assert [text for text, _ in listed][3:8] == ["Central", "Entropy", "Seeds", "Divergences", "Threshold"]  # the paper's order
    assert "Threshold (not run)" in contents.text()
    sections = [section.attributes["id"] for section in root.all("section")]
    assert sections == [end for _, end in listed]
    ends = by_id(root)
    assert "python -m studies run threshold" in ends[dict(listed)["Threshold"]].text()
    for text, end in listed[3:8]:
        assert next(ends[end].all("h2")).text() == text


def test_what_did_not_run_and_what_is_degenerate_is_said(root):
    text = root.text()
    for stage in ACC:
        assert f"original_ref/default/{stage} (seed 2-0). The reason: {stage} stopped." in text
    assert "SCAN (rewrite: w0): a loss is odd (seeds 0-0, 1-0, 2-0)" in text
    assert text.count("3 of 3 collapsed: accuracy is 50.0, and random clusters reach 50.0") == 1
    assert "SCAN (rewrite: w0): 3 of 3 runs merge classes: x and y (3 runs)" in text


def test_the_effect_of_a_divergence_stands_at_its_entry(root):
    entries = {entry.text().split(" concerns ")[0].strip(): entry.text() for entry in next(
        root.all("dl", class_="divergences")).all("div")}
    assert "Effect on digits: SCAN + self-label −10.0 [" in entries["without class balancing"]
    assert "n = 3." in entries["without class balancing"]
    assert list(next(root.all("dl", class_="divergences")).all("a")) and list(next(root.all(id="obstacles")).all("a"))
    assert "Effect on digits" not in entries["own neighbor"] and "Effect: Measured by the study seeds." in entries["seeds"]


def test_variance_between_pretext_seeds_is_shown(root):
    """0.5, 0.6 and 0.6, 0.8: mean squares 225 and 125 by hand, so (225 - 125) / 2 lies between, and its root is 7.07. The
    share is 50 of 175."""
    assert "2 pretext seeds × 2 clustering seeds" in root.text()
    (row,) = [row for row in root.all("tr") if "2 pretext seeds" in row.text()]
    assert [cell.text() for cell in row.all("td")][1:3] == ["7.07", "11.18"]
    text = by_id(root)["study-seeds"].text()
    assert re.search(r"SCAN: runs on one set of pretext weights leave out 29 % \[0, \d+\] of the variance of ACC", text)


def test_what_make_bench_measured_is_shown_where_it_ran(root, tmp_path, monkeypatch):
    assert "Not measured. make bench measures it" in by_id(root)["speed"].text()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    rates = {"original_ref": [100.0, 200.0], "reimpl": [1000.0, 3000.0]}
    alone = {"original_ref": [], "reimpl": [5.0]}
    write_json(tmp_path / "runs/bench.json", {
        "rounds": 2, "revision": "0" * 40, "packages": {"torch": "2"}, "hardware": {"cores": 2},
        "side_by_side": [
            {"dataset": "photos", "stage": "SCAN", "not_run": None, "images_per_second": rates, "ratio_mean": 12.5,
             "ratio_std": 3.54},
            {"dataset": "photos", "stage": "SimCLR", "not_run": "no network", "images_per_second": alone, "ratio_mean": None,
             "ratio_std": None}],
        "stages": [{"dataset": "photos", "stage": "SCAN", "images_per_second": 2000.0, "operations_per_second": 3e10,
                    "matmul_per_second": 6e10, "share": 0.5, "peak_memory_mib": 1200, "seconds_to_first_step": 4.2}],
        "growth": [{"stage": stage, "images": images, "seconds": images * factor}
                   for stage, factor in (("SCAN", 0.01), ("neighbors", 0.001)) for images in (100, 400)]})
    section = by_id(built(tmp_path, [central(ACC)]))["speed"]
    rows = [[cell.text().strip() for cell in row.children if isinstance(cell, Element)] for row in section.all("tr")]
    assert rows[1] == ["photos", "SCAN", "150", "2,000", "12.5 ± 3.5"]
    assert rows[2] == ["photos", "SimCLR", "not run", "5", "–"]
    assert rows[4] == ["photos", "SCAN", "2,000", "30.0", "60.0", "50 %", "1,200", "4.2 s"]
    assert "From 100 to 400 images, 4 times as many: SCAN 4.0 times, neighbors 4.0 times the seconds." in section.text()
    (drawing,) = section.all(role="group")
    assert "Cost over the number of images" in drawing.attributes["aria-label"] and list(drawing.all("svg"))


def test_tables_read_on_narrow_pages(root, page_file):
    """A group of a result table stays together, ours stand beside the method, and no number parts from its deviation."""
    tables = [next(root.all("figure", id=f"main-table{number}")) for number in (1, 2)]
    for table in tables:
        steps = [[row.attributes.get("class") == "step" for row in body.all("tr")] for body in table.all("tbody")]
        assert steps and all(group[0] and not any(group[1:]) for group in steps)
    assert len(list(tables[0].all("tbody"))) == 4
    heads = [head.text() for head in list(next(root.all("table", class_="published")).all("tr"))[1].all("th")]
    assert heads[:3] == ["Method", "Source", "ACC"] and heads[-4:] == ["Protocol", "Backbone", "n", "Minutes"]
    (ours,) = [row for row in root.all("tr", class_="ours ") if "here, rewrite" in row.text() and "70.3" in row.text()]
    assert [cell.text().strip() for cell in ours.all("td")][:2] == ["here, rewrite", "70.3 ± 10.5"]
    assert "<small>&nbsp;±&nbsp;10.5&nbsp;%</small>" in page_file.read_text()


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
ACTS = """<script>
const select = (name, value) => { const one = document.querySelector(`select[name=${name}]`);
  one.value = value; one.dispatchEvent(new Event("change", {bubbles: true})); };
select("word", "supported");
select("study", "main");
const seeds = document.querySelectorAll(".seeds [data-seed]");
const wide = (one) => one.scrollWidth > one.clientWidth;
document.body.dataset.cut = [...document.querySelectorAll("#evidence .scroll")].filter(wide).length;
seeds[0].focus();
seeds[0].dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
</script>"""


@pytest.mark.skipif(not BROWSER, reason="no chromium or google-chrome on this machine")
def test_a_browser_filters_the_claims_and_reads_out_seeds(root, page_file, tmp_path):
    """Without a script every row is to be seen; of main's claims two rows are undecided, and those of other studies go."""
    assert not [row for row in root.all("tr") if "hidden" in row.attributes]
    (tmp_path / "page.html").write_text(page_file.read_text().replace("</body>", f"{ACTS}</body>"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--window-size=1200,900",
               f"--user-data-dir={tmp_path}/user", f"file://{tmp_path}/page.html"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout
    rows = re.findall(r'<tr data-study="(\w+)" data-word="([a-z ]+)"( hidden="")?>', shown)
    assert [(study, word) for study, word, hidden in rows if not hidden] == [("main", "supported")] and len(rows) == 5
    assert 'data-cut="0"' in shown  # no table of evidence is wider than the page
    assert "1 shown" not in root.text() and 'tabindex="-1"' in shown
    assert re.search(r'<g class="seed" tabindex="0"[^>]*data-seed="([^"]*seed 1[^"]*)"', shown)  # the second one has the focus


def test_without_labels_no_claim_is_drawn_and_the_abstract_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    half = claim("finds half", of="reimpl/default/scan", value=50.0)
    study = made.study({"default": {"scan": {}, "selflabel": {}}}, claims=(half,))
    cells = [made.cell("reimpl/default/scan", "0-0", {"loss": 1.0}, curves=[{"epoch": 1, "consistency": 0.5}])]
    root = built(tmp_path, [made.summary("main", study, cells)])
    assert "No claim could be tested on digits" in root.text() and not list(root.all("table", class_="claims"))
    assert "No accuracy of the main study: the test images have no labels." in next(root.all(id="abstract")).text()
    assert "no labels to score it by" in next(root.all(id="untested")).text()


def test_of_one_seed_what_was_measured_stands_there_and_what_a_verdict_takes(tmp_path, monkeypatch):
    """Without a tally of verdicts, and without an axis, on which nothing would lie."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    study = made.study({"default": {"scan": {}, "selflabel": {}}}, claims=(
        claim("improves", of="reimpl/default/selflabel", than="kmeans/embeddings"),))
    one = made.cells({"kmeans/embeddings": {"0": 0.4}, "reimpl/default/selflabel": {"0-0": 0.2}})
    root = built(tmp_path, [made.summary("main", study, one)])
    assert next(root.all("p", class_="lead")).text().endswith("puts 40.0 %.")
    claims = next(root.all(id="claims"))
    assert "it takes 3 pretext seeds, and there is one." in claims.text() and "1 of 1 claims could be measured" in claims.text()
    assert not list(claims.all("ul", class_="counts")) and not list(claims.all("form"))
    assert [cell.text().strip() for cell in claims_table(root)[0]] == ["improves", "20.0 against 40.0", "undecided", "1"]


def test_what_was_run_on_the_published_data_set_is_not_excused(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    other = built(tmp_path, [central(ACC)], "cifar10")
    assert "stand beside ours for orientation" in root.text() and "stand beside ours for orientation" not in other.text()
    assert claims_table(other)[1][3].text().strip() == "undecided" and claims_table(other)[1][2].text() == "70.3 ± 10.5"


def test_figures_and_tables_lie_beside_the_page_and_summaries_that_are_missing_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    built(tmp_path, [central(ACC)])
    out = tmp_path / "report/output/digits"
    left = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    assert {"index.html", "main/figures/seeds.svg", "main/tables/table1.csv", "main/tables/table1.tex",
            "main/tables/table2.csv", "main/tables/table2.tex", "published/methods.csv", "published/imagenet.csv"} <= left
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty holds no summary: `dvc repro` makes them"):
        page.build("digits", Path("empty"), out)
