"""The page over all data sets: each claim on each of them, and what three comparisons come to over all."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.files import write_csv
from harness.params import data_sets
from harness.pipeline.study import Claim
from report.abstract import count
from report.aggregates import Aggregate, improvement, interquartile_mean
from report.answer import CLUSTERS, KMEANS, answer
from report.claims import COLUMNS, claim_rows, or_empty
from report.drawings import Drawing, listed
from report.figures import forest_figure
from report.forest import difference
from report.power import FEWEST
from report.statistics import by_unit, paired_by_seed
from report.summaries import order
from report.templates import write_page
from report.verdicts import NOT_TESTED, UNDECIDED, WORDS

DECIDED = tuple(word for word in WORDS if word not in (UNDECIDED, NOT_TESTED))
DIFFERENT = "different from one data set to another"
READINGS = (*DECIDED, DIFFERENT, UNDECIDED, NOT_TESTED)
COMPARISONS = (
    ("SCAN", "k-means on the same features", "reimpl/default/scan", KMEANS),
    ("SCAN + self-label", "SCAN", CLUSTERS, "reimpl/default/scan"),
    ("The rewrite", "the authors' code, both SCAN + self-label", CLUSTERS, "original_ref/default/selflabel"),
)
"""What is compared with what over all data sets, in words, and the steps of the study `main`."""
CENTRAL = ((CLUSTERS, KMEANS), (CLUSTERS, "reimpl/default/scan"))
"""Of the claims of the study `main`, those with which the page begins: that the one step is above the other."""
FOREST = ("Points of accuracy on the same seed: a point a seed, the mean as a diamond, its 95 % interval as a bar, cut off at "
          "the figure's edge.")


@dataclass(frozen=True)
class Line:
    """A claim of a study, with what it came to on each data set: a Judged, or None where its summaries do not have it."""

    study: str
    title: str
    claim: Claim
    cells: tuple

    @property
    def words(self):
        """What it came to, each word once."""
        return list(dict.fromkeys(cell.verdict.word for cell in self.cells if cell))

    @property
    def confounds(self):
        return next((cell.confounds for cell in self.cells if cell), ())


@dataclass(frozen=True)
class Compared:
    """One of COMPARISONS in accuracy over all data sets that have both steps on FEWEST pretext seeds or more: each has the same
    weight, and a single seed shows no spread.

    seeds: of each such data set, how many have both. The Aggregates are in percent, points and from 0 to 1, and None where there
    is no such data set; each side is of all its seeds, a difference is paired by seed.
    """

    of: str
    than: str
    seeds: dict
    one: Aggregate | None = None
    other: Aggregate | None = None
    difference: Aggregate | None = None
    improvement: Aggregate | None = None
    drawing: Drawing | None = None


def build(found, out):
    """Write index.html, claims.csv and aggregates.csv into `out`, which has the page of each data set in a folder of its name.

    Args: found: the Results on each data set, at least one.
    """
    found = sorted(found, key=lambda results: (results.facts["images"]["train"], results.name))
    lines, compared = claim_lines(found), [compare(found, *comparison) for comparison in COMPARISONS]
    names = [results.name for results in found]
    anywhere = [line for line in lines if not line.claim.dataset]
    read = [reading(line) for line in anywhere]
    one_set = sorted((line for line in lines if line.claim.dataset),
                     key=lambda line: (line.claim.dataset not in names, line.claim.dataset))
    write_csv(out / "claims.csv", ("dataset", *COLUMNS),
              [{"dataset": results.name, **row} for results in found for row in claim_rows(results.claims)])
    write_aggregates(compared, out / "aggregates.csv")
    write_page("overview.html.jinja", out / "index.html", names=names,
               tiles=[tile(results) for results in found], anywhere=anywhere, compared=compared, readings=READINGS,
               fewest=FEWEST, one_set=one_set, one_set_tested=sum(line.words != [NOT_TESTED] for line in one_set), words=WORDS,
               titles={line.study: line.title for line in anywhere}, read=read,
               central=[on_each(line, names) for line in anywhere if line.study == "main" and line.claim.kind == "above"
                        and (line.claim.of, line.claim.than) in CENTRAL],
               everywhere=[everywhere(anywhere, word) for word in DECIDED if word in read],
               shown=shown, with_p=sum(any(judged.verdict.finding.tests for judged in results.claims) for results in found),
               not_summed=not_summed(found), not_run=not_run(found))


def claim_lines(found):
    """A Line for each claim of any data set, by study in the paper's order; one whose entry was edited between two data sets'
    summaries is two claims."""
    titles = {summary.name: summary.study.title for results in found for summary in results.summaries} | {
        name: study.title for results in found for name, study in results.missing}
    of_set = [{(judged.study, judged.claim): judged for judged in results.claims} for results in found]
    keys = dict.fromkeys(key for judged in of_set for key in judged)
    return [Line(study, titles[study], claim, tuple(judged.get((study, claim)) for judged in of_set))
            for study, claim in sorted(keys, key=lambda key: order(key[0]))]


def reading(line):
    """What a claim comes to over all data sets: the word of those that decide it, if they agree; one of READINGS."""
    words = {cell.verdict.word for cell in line.cells if cell}
    decided = words & set(DECIDED)
    if len(decided) == 1:
        return decided.pop()
    return DIFFERENT if decided else UNDECIDED if UNDECIDED in words else NOT_TESTED


def on_each(line, names):
    """(a claim without its full stop, the verdicts with the data sets that have each: "supported on a and b, undecided on c")."""
    found = {}
    for name, cell in zip(names, line.cells):
        if cell and cell.verdict.word != NOT_TESTED:
            word = cell.verdict.word if cell.verdict.finding.n >= FEWEST else "too few seeds"
            found.setdefault(word, []).append(name)
    return line.claim.text.removesuffix("."), ", ".join(f"{word} on {' and '.join(sets)}" for word, sets in found.items())


def everywhere(lines, word):
    """A sentence on how many of the claims that come to a word do so on every data set that has the seeds for a verdict on them,
    and on how many data sets."""
    found = [[cell.verdict.word for cell in line.cells if cell and (
        cell.verdict.word in DECIDED or cell.verdict.finding.n >= FEWEST)] for line in lines if reading(line) == word]
    sets = Counter(len(words) for words in found if {*words} == {word})
    where = ", ".join(f"{n} on {count(size, 'data set')}" for size, n in sorted(sets.items(), reverse=True))
    return f"Of {len(found)} “{word}”, {sets.total()} on every data set that tested them{f' ({where})' * bool(where)}."


def tile(results):
    """What stands of a data set by itself, as a mapping for the template: the first sentences of its page, how many of the claims
    about any data set came to each word and are decided, on how many pretext seeds at most, and how many records there are, of
    which so many are kept."""
    words = [judged.verdict.word for judged in results.claims if not judged.claim.dataset]
    cells = results.cells()
    return {"name": results.name, "facts": results.facts, "answer": answer(results),
            "words": {word: words.count(word) for word in WORDS},
            "decided": sum(word in DECIDED for word in words), "claims": len(words), "records": len(cells),
            "seeds": max((judged.verdict.finding.n for judged in results.claims), default=0),
            "kept": sum(bool(cell.get("kept")) for cell in cells)}


def shown(judged):
    """The difference and its interval, as text: in points, from the claim's figure where it has one.

    Where there is no difference, it is what was measured; empty where nothing was.
    """
    return difference(judged) or judged.verdict.finding.ours


def compare(found, of, than, after, before):
    """The Compared of one of COMPARISONS."""
    sides, differences, lines = [], [], []
    for results in found:
        main = results.summary("main")
        high, low = (main.percent(step, "acc") if main else {} for step in (after, before))
        values = paired_by_seed(high, low)
        if len(values) >= FEWEST:
            sides.append([list(by_unit(side).values()) for side in (high, low)])
            differences.append(list(values.values()))
            lines.append((results.name, values, interval(results, after, before)))
    seeds = {name: len(values) for name, values, _ in lines}
    if not seeds:
        return Compared(of, than, seeds)
    drawing = Drawing("forest", f"{of} against {than}", FOREST, (forest_figure(lines, "points of ACC"),),
                      listed("Means", [(name, np.mean(list(values.values()))) for name, values, _ in lines], "+.1f"))
    return Compared(of, than, seeds, *map(interquartile_mean, zip(*sides)), interquartile_mean(differences), improvement(sides),
                    drawing)


def interval(results, after, before):
    """The interval of a difference in accuracy, as the claim on it has it; None where no claim is on it, or it has none."""
    for judged in results.claims:
        claim, estimate = judged.claim, judged.verdict.finding.estimate
        if (claim.of, claim.than, claim.figure) == (after, before, "acc") and claim.kind != "varies" and estimate:
            return estimate.interval()
    return None


def write_aggregates(compared, file):
    """A row for each aggregate of each comparison, at full precision."""
    names = {"one": "interquartile mean of the one", "other": "interquartile mean of the other",
             "difference": "interquartile mean of the differences", "improvement": "probability of improvement"}
    write_csv(file, ("comparison", "aggregate", "value", "low", "high", "datasets", "seeds"), [
        {"comparison": f"{each.of} against {each.than}", "aggregate": name, "value": found.value, "low": or_empty(found.low),
         "high": or_empty(found.high), "datasets": " ".join(each.seeds), "seeds": " ".join(map(str, each.seeds.values()))}
        for each in compared for key, name in names.items() if (found := getattr(each, key))])


def not_summed(found):
    """The data sets that have kept records and no summary of them."""
    return sorted({file.parent.name for file in Path("records").glob("*/SHA256SUMS")} - {results.name for results in found})


def not_run(found):
    """The data sets that have settings, and neither a summary nor kept records."""
    return sorted({*data_sets()} - {results.name for results in found} - {*not_summed(found)})
