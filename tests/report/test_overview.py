"""The page over all data sets from hand-made summaries of two: words, differences, aggregates, and where its links lead."""

import csv
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.files import write_json
from harness.pipeline.study import Claim
from report import __main__ as command
from report.claims import Judged, Results
from report.estimates import Estimate
from report.overview import DIFFERENT, Line, compare, everywhere, on_each, reading, shown
from report.verdicts import Finding, Verdict
from tests.report import made
from tests.report.parsed import Element, Tree

SMALL = {  # accuracy by seed; differences from k-means 20, 20 and 21 points, of self-labeling 10, 10 and 11
    "kmeans/embeddings": (0.40, 0.50, 0.60), "reimpl/default/scan": (0.50, 0.60, 0.70),
    "reimpl/default/selflabel": (0.60, 0.70, 0.81), "original_ref/default/selflabel": (0.59, 0.70, 0.81)}
LARGE = {  # worse than k-means by 10, 11, 12, 13 points; the authors' code did not run
    "kmeans/embeddings": (0.80, 0.81, 0.82, 0.83), "reimpl/default/scan": (0.60, 0.61, 0.62, 0.63),
    "reimpl/default/selflabel": (0.70, 0.70, 0.70, 0.70)}


def claim(text, of="selflabel", kind="above", **fields):
    return Claim(text=text, source="s", kind=kind, of=f"reimpl/default/{of}", **fields)


BETTER = claim("beats k-means", than="kmeans/embeddings")
GAINS = claim("gains", than="reimpl/default/scan")
SAME = claim("both agree", kind="same", than="original_ref/default/selflabel", margin=3.0)
COLLAPSES = claim("collapses", kind="collapses", of="scan")
REACHES = claim("reaches 78", kind="equal", value=78.0, dataset="large")
ELSEWHERE = claim("reaches 45", kind="equal", value=45.0, dataset="cifar20", published="45.9 ± 2.7")
HALF = claim("finds half", of="scan", value=50.0)


def summary(accuracies, claims):
    arms = {name: {"clustering": {"default": {"scan": {}, "selflabel": {}}}} for name in ("reimpl", "original_ref")}
    cells = made.cells({step: {(f"{seed}-0" if step.count("/") == 2 else str(seed)): acc for seed, acc in enumerate(values)}
                        for step, values in accuracies.items()})
    if "original_ref/default/selflabel" not in accuracies:
        cells.append(made.cell("original_ref/default/selflabel", "0-0", None, not_run="no network"))
    study = made.study(arms, title="Central", shared=("kmeans/embeddings",), claims=claims)
    return made.summary("main", study, cells)


def put(folder, name, train, one):
    """A data set's summaries, with all that the report reads."""
    write_json(folder / "data" / name / "dataset.json", {
        "name": name, "source": name, "classes": ["x", "y"], "images": {"train": train, "test": 2000}, "shape": [8, 8, 1]})
    made.write(one, folder / "runs" / name / "summary")


def report(*arguments):
    """`python -m report` in the current folder; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["report", *map(str, arguments)])
        return command.main()


CLAIMS = (BETTER, GAINS, SAME, HALF, COLLAPSES, REACHES, ELSEWHERE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with two data sets, the pages of which are built, and settings of a third."""
    folder = tmp_path_factory.mktemp("overview")
    put(folder, "small", 900, summary(SMALL, CLAIMS))
    put(folder, "large", 50_000, summary(LARGE, CLAIMS))
    for name in ("small", "large", "cifar20"):
        (folder / f"params/{name}.yaml").parent.mkdir(exist_ok=True)
        (folder / f"params/{name}.yaml").write_text("matters: 2.5" if name == "large" else "{}")
    (folder / "params.yaml").write_text("looks: []")
    (folder / "studies").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert report() == 0
    return folder


@pytest.fixture
def root(folder):
    return parsed(folder / "report/output/index.html")


def parsed(file):
    return Tree(file.read_text()).root


def rows(section):
    """The text of each cell of a section's table, without headings."""
    (body,) = section.all("tbody")
    return [[cell.text().strip() for cell in row.children if isinstance(cell, Element)] for row in body.all("tr")
            if row.attributes.get("class") != "step"]


def section(root, name):
    return next(root.all("section", id=name))


def test_the_page_begins_with_what_the_central_claims_come_to_on_each_data_set(root):
    """SCAN with self-labeling is above k-means by 20 points and more, and below it by 10 and more; of three seeds `gains` is
    too little spread to be missed."""
    leads = [lead.text() for lead in root.all("p", class_="lead")]
    assert leads == ["beats k-means: supported on small, contradicted on large.", "gains: supported on small and large."]


def test_a_data_set_of_too_few_seeds_has_no_verdict_in_the_first_sentence():
    def judged(word, n):
        return Judged("main", BETTER, Verdict(word, "r", Finding("r", word, n=n)))

    line = Line("main", "Central", BETTER, (judged("undecided", 1), judged("supported", 10), judged("not tested", 0), None))
    assert on_each(line, "abcd") == ("beats k-means", "too few seeds on a, supported on b")


def records(file):
    with open(file, newline="") as text:
        return list(csv.DictReader(text))


def test_each_claim_has_its_word_and_difference_on_each_data_set(root, folder):
    """The smaller data set first. Means by hand; intervals are those of the data sets' own claims.csv."""
    found = rows(section(root, "claims"))
    assert [row[0] for row in found] == ["beats k-means", "gains", "both agree", "finds half", "collapses"]
    words = [[cell.split(" +")[0].split(" −")[0] for cell in row[1:]] for row in found]
    assert words[0] == ["supported", "contradicted"] and words[1][1] == "supported"
    assert words[2][1] == "not tested" == found[2][2]  # nothing was measured, and nothing stands there
    assert found[4][1:] == ["contradicted 0 of 3 collapsed n = 3", "contradicted 0 of 4 collapsed n = 4"]
    means = {"beats k-means": ("+20.3", "−11.5"), "gains": ("+10.3", "+8.5"), "finds half": ("+10.0", "+11.5")}
    for text, *cells in found:
        for name, mean, cell in zip(("small", "large"), means.get(text, ()), cells):
            (row,) = [row for row in records(folder / f"report/output/{name}/claims.csv") if row["claim"] == text]
            interval = f"[{float(row['low']):z.1f}, {float(row['high']):z.1f}]".replace("-", "−")
            assert cell.startswith(f"{row['word']} {mean} {interval} n = {row['n']}")


def test_the_first_lines_have_the_answer_and_each_data_sets_own(root):
    """One claim is supported on both, one on the larger alone, one contradicted on both, one each way, and one never decided."""
    header = next(root.all("header")).text()
    assert (f"5 claims that name no data set, on 2 data sets: 2 supported, 1 contradicted, 0 no difference, 1 {DIFFERENT}, "
            "1 undecided, 0 not tested.") in header
    assert "2 further claims are about one data set each, as those on published figures are: 1 of them could be tested" in header
    tiles = [tile.text() for tile in next(root.all("ul", class_="tiles plain")).all("li")]
    assert [tile.split()[0] for tile in tiles] == ["small", "large"]
    assert "3 of 5 claims decided 2 supported, 1 contradicted, 0 no difference, 2 undecided, 0 not tested" in tiles[0]
    assert "4 of 5 claims decided 2 supported, 2 contradicted, 0 no difference, 0 undecided, 1 not tested" in tiles[1]
    for text in ("900 training and 2,000 test images of 2 classes, 8×8 pixels", "± 1 point matters; 3 pretext seeds; 12 records"):
        assert text in tiles[0]
    assert "± 2.5 points matter" in tiles[1]
    assert "SCAN with self-labeling puts 70.3 ± 10.5 % of the test images into their class (mean of 3 runs)." in tiles[0]
    assert "puts 81.5 ± 1.3 %: SCAN is below it." in tiles[1]
    assert "one data set so far" not in root.text()


def test_a_claim_about_one_data_set_stands_by_itself(root):
    """70 where 78 was published: 8 below. Of another data set nothing ran."""
    reaches, elsewhere = rows(section(root, "one-data-set"))
    assert reaches[:2] == ["reaches 78", "–"] and reaches[2].startswith("contradicted −8.0 [")
    assert elsewhere == ["reaches 45", "45.9 ± 2.7", "not tested"]
    assert "cifar20, not run here" in section(root, "one-data-set").text()
    assert "params/cifar20.yaml" in root.text() and "params/large.yaml" not in root.text()


def test_every_link_leads_to_a_file_and_to_its_place_in_it(root, folder):
    links = [link.attributes["href"] for link in root.all("a")]
    pages = {name: parsed(folder / f"report/output/{name}/index.html") for name in ("small", "large")}
    ends = {f"{name}/index.html#{one.attributes['id']}" for name, page in pages.items() for one in page.all()
            if "id" in one.attributes}
    assert {link for link in links if "#" in link} == {f"{name}/index.html#study-main" for name in pages} and len(links) > 10
    assert all(link in ends if "#" in link else (folder / "report/output" / link).is_file() for link in links)
    assert not [one for one in root.all() if one.tag in ("img", "link") or "src" in one.attributes]  # it stands by itself


def test_the_difference_is_said_to_be_none_of_columns(root):
    assert "the differences by pretext seed, and not that of the two columns before it" in section(root, "aggregates").text()


def test_aggregates_weigh_data_sets_alike(root, folder):
    """SCAN is 10 above k-means in each of three runs, and 20 below in each of four: halves of the weight each."""
    first, second, third = rows(section(root, "aggregates"))
    assert first[0].startswith("SCAN against k-means") and "small, 3 seeds; large, 4 seeds" in first[0]
    assert first[3].startswith("−5.0 ")
    figures = {(row["comparison"], row["aggregate"]): row for row in records(folder / "report/output/aggregates.csv")}
    key = "SCAN + self-label against SCAN"
    gains = np.repeat([10, 10, 11, 10, 9, 8, 7], [4] * 3 + [3] * 4)  # of 24, weighed by repeating
    assert float(figures[key, "interquartile mean of the differences"]["value"]) == pytest.approx(stats.trim_mean(gains, 0.25))
    probability = np.mean([stats.mannwhitneyu(100 * np.array(one["reimpl/default/selflabel"]), 100 * np.array(
        one["reimpl/default/scan"])).statistic / len(one["reimpl/default/scan"]) ** 2 for one in (SMALL, LARGE)])
    assert float(figures[key, "probability of improvement"]["value"]) == pytest.approx(probability)
    assert second[4].startswith(f"{probability:.2f}")
    assert "small, 3 seeds" in third[0] and "large" not in third[0]  # where alone the authors' code ran


def test_a_data_set_of_fewer_seeds_than_a_decision_takes_has_no_weight():
    """Two seeds, on which SCAN is 70 below: the aggregates are those of the other data set alone, interval and all."""
    few = {"kmeans/embeddings": (0.9, 0.9), "reimpl/default/scan": (0.2, 0.2)}
    small, two = (Results({"name": name}, [summary(found, ())], [], []) for name, found in {"small": SMALL, "two": few}.items())
    steps = "SCAN", "k-means", "reimpl/default/scan", "kmeans/embeddings"
    both, alone = compare([small, two], *steps), compare([small], *steps)
    assert both.seeds == {"small": 3} and both.difference.value == pytest.approx(10)
    assert all(getattr(both, name) == getattr(alone, name) for name in ("one", "other", "difference", "improvement"))
    assert compare([two], *steps).seeds == {}


def test_no_interval_without_width_is_shown(root):
    """Differences of SCAN from k-means have no spread on either data set."""
    first, second, _ = rows(section(root, "aggregates"))
    assert first[3] == "−5.0 in every draw" and "[" in second[3]


def test_the_drawings_have_a_line_for_each_data_set(root):
    drawings = [drawing for drawing in section(root, "aggregates").all(role="group")]
    assert len(drawings) == 3
    assert [sorted(name for name in ("small", "large") if f" {name} " in f" {drawing.text()} ") for drawing in drawings] == [
        ["large", "small"], ["large", "small"], ["small"]]


def test_all_claims_stand_in_one_file(folder):
    found = records(folder / "report/output/claims.csv")
    own = [{"dataset": name, **row} for name in ("small", "large")
           for row in records(folder / f"report/output/{name}/claims.csv")]
    assert found == own and len(found) == 2 * len(CLAIMS)


def test_one_data_set_stands_by_itself_and_says_that_it_does(folder, tmp_path, monkeypatch, capsys):
    shutil.copytree(folder, tmp_path / "one", ignore=shutil.ignore_patterns("output", "large"))
    (tmp_path / "one/records/large").mkdir(parents=True)
    (tmp_path / "one/records/large/SHA256SUMS").touch()
    monkeypatch.chdir(tmp_path / "one")
    assert report() == 0 and "the report on 1 data set is report/output/index.html" in capsys.readouterr().out
    root = parsed(Path("report/output/index.html"))
    text = root.text()
    assert "There are records of one data set so far" in text and "these are of small alone" in text
    assert "Kept records that are not shown yet: large." in text and "params/large.yaml" not in text
    assert "each further data set adds up to 5 %" in text and DIFFERENT not in text
    assert [len(row) for row in rows(section(root, "claims"))] == [2] * 5


def test_a_claim_that_was_edited_between_two_summaries_is_two(folder, tmp_path, monkeypatch):
    """Its word on one data set says nothing of what it now says."""
    shutil.copytree(folder, tmp_path / "edited", ignore=shutil.ignore_patterns("output"))
    monkeypatch.chdir(tmp_path / "edited")
    put(tmp_path / "edited", "large", 50_000, summary(LARGE, (claim("beats k-means", than="kmeans/embeddings", margin=3.0),)))
    assert report() == 0
    found = [row[1:] for row in rows(section(parsed(Path("report/output/index.html")), "claims")) if row[0] == "beats k-means"]
    assert [[cell.split()[0] for cell in row] for row in found] == [["supported", "–"], ["–", "contradicted"]]


def test_without_the_main_study_there_is_nothing_to_aggregate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    (tmp_path / "params.yaml").write_text("looks: []")
    put(tmp_path, "small", 900, replace(summary(SMALL, (BETTER,)), name="threshold"))
    assert report() == 0
    found = rows(section(parsed(Path("report/output/index.html")), "aggregates"))
    assert [row[1:] for row in found] == [["–"] * 4] * 3 and "no data set has both on 3 seeds" in found[0][0]
    assert records(Path("report/output/aggregates.csv")) == []


def test_without_a_summary_a_line_says_what_makes_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert report() == 2
    assert capsys.readouterr().err.startswith("error: runs has no summary of any data set: `make repro` or")
    with pytest.raises(SystemExit):
        report("--summaries", "x")


def line(*words):
    cells = [Judged("main", BETTER, Verdict(word, "", Finding("", n=3 * (word != "not tested")))) if word else None
             for word in words]
    return Line("main", "t", BETTER, tuple(cells))


@pytest.mark.parametrize("words, comes_to", [
    (("supported", "supported"), "supported"), (("supported", "undecided", None), "supported"),
    (("not tested", "no difference"), "no difference"), (("contradicted", "supported"), DIFFERENT),
    (("no difference", "supported", "undecided"), DIFFERENT), (("undecided", "not tested"), "undecided"),
    (("not tested", None), "not tested")])
def test_what_a_claim_comes_to_is_what_those_say_that_decide_it(words, comes_to):
    assert reading(line(*words)) == comes_to


def test_how_many_are_decided_alike_on_every_data_set_is_said_beside_the_tally(root):
    """Of the supported, one is so on both, and one on the larger alone; that of one word on both counts on both."""
    header = next(root.all("header")).text()
    assert "Of 2 “supported”, 1 on every data set that tested them (1 on 2 data sets)." in header
    assert "Of 1 “contradicted”, 1 on every data set that tested them (1 on 2 data sets)." in header
    assert "“no difference”" not in header


@pytest.mark.parametrize("words, said", [
    ([("supported", "supported"), ("supported", None), ("supported", "not tested")], "3 on every data set that tested them "
     "(1 on 2 data sets, 2 on 1 data set)."), ([("supported", "undecided")], "0 on every data set that tested them.")])
def test_what_was_not_tested_is_no_other_word(words, said):
    assert everywhere([line(*each) for each in words], "supported") == f"Of {len(words)} “supported”, {said}"


def test_a_data_set_of_one_seed_has_no_verdict_and_no_part_in_the_chance_of_a_false_one(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "more", ignore=shutil.ignore_patterns("output"))
    monkeypatch.chdir(tmp_path / "more")
    put(tmp_path / "more", "cifar20", 700, summary({step: values[:1] for step, values in SMALL.items()}, CLAIMS))
    assert report() == 0
    root = parsed(Path("report/output/index.html"))
    one = next(next(root.all("ul", class_="tiles plain")).all("li")).text()
    assert one.startswith("cifar20") and "No verdict on a difference: it takes 3 pretext seeds" in one and "decided" not in one
    assert "over the 2 data sets here that have such claims, the chance of a false verdict somewhere is at most 10 %" in (
        root.text())


def test_a_difference_that_is_nothing_has_no_sign_of_its_own():
    judged = Judged("main", REACHES, Verdict("supported", "", Finding("", n=4, estimate=Estimate(77.99, 0.0, 4, 0.01))))
    assert shown(judged) == "+0.0 [0.0, 0.0]"
