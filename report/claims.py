"""The claims of all studies on one data set: measured, tested together, and written as a table."""

from dataclasses import dataclass, replace

from harness.files import write_csv
from harness.pipeline.confounded import confounds
from harness.pipeline.study import Claim
from report.runs import merges
from report.sequential import reached
from report.summaries import data_set, read_summaries, studies_not_run
from report.tables import UNSCORED, label
from report.verdicts import NOT_TESTED, Finding, Side, Verdict, decide, judge, over_looks

COLUMNS = ("study", "claim", "source", "of", "than", "figure", "word", "p", "p_corrected", "mean", "low", "high", "n", "std",
           "image_error", "confounds", "reason")
NOT_RUN = Finding("the study was not run", NOT_TESTED)


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict, the records that the verdict rests on, and what else its arms differ in."""

    study: str
    claim: Claim
    verdict: Verdict
    evidence: tuple = ()
    confounds: tuple = ()
    merges: tuple = ()
    """A sentence on each of the claim's two steps of which some runs merge classes and some do not."""
    margin: float = 0.0
    """How many points do not matter, or are allowed for; 0 where a claim has no such zone, or was not tested."""


@dataclass(frozen=True)
class Results:
    """What there is of one data set."""

    facts: dict
    """Of its dataset.json."""
    summaries: list
    """The Summary of each study that was run."""
    missing: list
    """(name, Study) of each that was not."""
    claims: list
    """A Judged for each claim of either, as judge_all has them."""

    @property
    def name(self):
        return self.facts["name"]

    def summary(self, name):
        """The Summary of a study; None where it was not run."""
        return next((one for one in self.summaries if one.name == name), None)

    def cells(self):
        """Every record once, of all studies: cells of records.json."""
        found = {cell["path"]: cell for one in self.summaries for cell in one.records if not cell["record"]["not_run"]}
        return list(found.values())


def read_results(dataset, summaries, looks=()):
    """The Results on a data set. Args: summaries: the folder that has them; looks: as in `measure`."""
    found, facts = read_summaries(summaries), data_set(dataset)
    missing = studies_not_run(found)
    return Results(facts, found, missing, judge_all(found, missing, facts, looks))


def judge_all(summaries, missing, facts, looks=()):
    """A Judged for each claim: in a study, those about other data sets last, and so those of studies that were not run. Claims
    that need labels which the data set does not have are left out.

    Args: missing: (name, Study) of the studies without a summary; facts: as summaries.data_set has them; looks: as in `measure`.
    """
    studies = {summary.name: summary.study for summary in summaries} | dict(missing)
    asked = [(summary, claim, measure(summary, claim, facts, looks)) for summary in summaries
             for claim in sorted(scorable(summary.study, facts), key=lambda claim: claim.dataset not in ("", facts["name"]))]
    others = [(name, study, claim) for name, study in missing for claim in scorable(study, facts)]
    verdicts = decide([finding for _, _, finding in asked] + [NOT_RUN] * len(others))
    found = [Judged(summary.name, claim, verdict, tuple(summary.evidence(claim.of)), confounds(summary.study, claim, studies),
                    tuple(two_kinds(summary, claim, facts["classes"])) if verdict.word != NOT_TESTED else (),
                    margin(summary.study, claim, facts))
             for (summary, claim, _), verdict in zip(asked, verdicts)]
    return found + [Judged(name, claim, verdict, confounds=confounds(study, claim, studies))
                    for (name, study, claim), verdict in zip(others, verdicts[len(asked):])]


def margin(study, claim, facts):
    """How many points do not matter where a claim is about a mean, or are allowed for; 0 where it is not about one."""
    return 0.0 if claim.kind in ("varies", "collapses") else claim.margin or study.matters or facts["matters"]


def scorable(study, facts):
    """The claims of a study that the labels of a data set can bear out: all of them are about shares of labelled images."""
    labelled = facts.get("labelled", ("train", "test"))
    return [claim for claim in study.claims if split_of(claim) in labelled]


def split_of(claim):
    """Of which images a claim's figure is a share."""
    return "train" if claim.figure == "train_accuracy" else "test"


def measure(summary, claim, facts, looks=()):
    """The Finding on one of the study's claims.

    Args: looks: numbers of pretext seeds, fixed beforehand, at which claims are looked at; empty for one look at all seeds.
    """
    reasons = [reason for step in (claim.of, claim.than) for _, reason in summary.not_run(step)]
    sides = (claim.of, claim.figure), (claim.than, claim.than_figure or claim.figure)
    reasons += [UNSCORED for step, figure in sides if summary.cells(step) and not summary.by_seed(step, figure)]
    images = facts["images"][split_of(claim)]
    after, before = (_side(summary, step, figure, images) for step, figure in sides)
    confusions = summary.confusions(claim.of) if claim.kind == "collapses" else {}
    rest = summary.study.matters or facts["matters"], confusions, facts["name"], next(iter(reasons), "")
    found = judge(claim, after, before, *rest)
    if not looks or not found.tests:
        return found
    units = [{seed.split("-")[0] for seed in side.percent} for side in ((after, before) if claim.than else (after,))]
    seeds = sorted(set.intersection(*units), key=int)
    at_looks = [judge(claim, after.of(seeds[:look]), before.of(seeds[:look]), *rest) for look in reached(looks, found.n)]
    if not at_looks:
        return replace(found, tests=(), forecast=(), reason=f"{found.reason}; the first look is at {looks[0]} seeds")
    return over_looks(at_looks, len(looks))


def _side(summary, step, figure, images):
    """The Side of a step by a figure that is a share of so many images, or of its prototypes alone."""
    chosen = {seed: found[found >= 0] for seed, found in summary.prototypes(step).items()} if figure == "prototypes" else {}
    return Side(summary.percent(step, figure), summary.right(step, figure), images, chosen)


def two_kinds(summary, claim, classes):
    """A sentence on each of the claim's steps where some runs merge classes and others do not; that it collapses is no such."""
    for step in filter(None, (claim.of, claim.than) if claim.kind != "collapses" else ()):
        sentence = merges(summary.confusions(step).values(), classes)
        runs, _, of = sentence.partition(" of ")
        if sentence and runs != of.split(" ")[0]:
            yield f"{label(summary, step)}, {sentence}"


def write_claims(judged, file):
    """Write a row for each claim."""
    write_csv(file, COLUMNS, claim_rows(judged))


def claim_rows(judged):
    """A mapping of COLUMNS for each claim, at full precision."""
    rows = []
    for one in judged:
        found, claim = one.verdict.finding.estimate, one.claim
        low, high = found.interval() if found else ("", "")
        rows.append({"study": one.study, "claim": claim.text, "source": claim.source, "of": claim.of, "than": claim.than,
                     "figure": claim.figure, "word": one.verdict.word, "p": or_empty(one.verdict.p),
                     "p_corrected": or_empty(one.verdict.corrected), "mean": found.mean if found else "", "low": low,
                     "high": high, "n": one.verdict.finding.n, "std": found.std if found else "",
                     "image_error": found.image_error if found else "", "confounds": " ".join(one.confounds),
                     "reason": one.verdict.reason})
    return rows


def or_empty(value):
    """What a table has for None."""
    return "" if value is None else value
