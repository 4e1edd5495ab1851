"""The page's abstract, in the form of the reproducibility challenges (ML Reproducibility Challenge 2020 and after).

Every figure in it is counted here, in records, settings, divergences.yaml and obstacles.yaml.
"""

import re
from collections import Counter

from harness.params import SETTINGS_FOLDER, about
from harness.stages import STAGES
from report.answer import CLUSTERS
from report.statistics import spread
from report.tables import PUBLISHED_ON
from report.verdicts import NOT_TESTED, UNDECIDED, WORDS

STEPS = {"k-means on the pixels": "kmeans/pixels", "k-means on the features of the pretext task": "kmeans/embeddings",
         "SCAN": "reimpl/default/scan", "SCAN with self-labeling": CLUSTERS}
"""What the study `main` reports, in words."""
KINDS = {"pretext": "pretext tasks", "neighbors": "neighbors", "kmeans": "k-means", "baseline": "methods before SCAN",
         "scan": "SCAN", "selflabel": "self-labeling"}
"""The stages that take the time, in words."""

EASY = "The reproduction study found the loss easy, and running the authors' code in its day."


def abstract(results, divergences, obstacles):
    """[(heading, text), ...]. Args: results: report.claims.Results; divergences, obstacles: the files of these names, read."""
    return [("Scope", scope(results)), ("Methodology", methodology(results)), ("Results", outcome(results)),
            ("What was easy", EASY), ("What was difficult", difficult(results, divergences, obstacles)),
            ("Communication with the authors", communication(results, divergences)), ("Compute", compute(results.cells())),
            ("Search of settings", search(results.name)), ("Conclusion", conclusion(results))]


def scope(results):
    tested, studies = _tested(results), {one.study for one in results.claims}
    return (f"{count(len(results.claims), 'claim')} in {count(len(studies), 'study')}, of the paper, its authors' issues and the "
            f"reproduction study of T. Naheyan (2021). {len(tested)} could be tested on {results.name}, in "
            f"{len({one.study for one in tested})} of these studies. The paper's text was not at hand: figures called the "
            "paper's are those of its authors' slides, of notes on it (hkhailee/GOLDEN_unsupervised), of the authors' issues "
            "and of the reproduction study. ImageNet is not covered.")


def methodology(results):
    cells = results.cells()
    theirs = sum(cell["step"].startswith("original_ref/") for cell in cells)
    seeds = {cell["seed"].split("-")[0] for cell in cells}
    whose = (f": {len(cells) - theirs} of a rewrite, and {theirs} of the authors' own code at a pinned commit, its files "
             "unmodified, which reads the same images" if theirs else " of a rewrite, and none of the authors' own code")
    shared = ", not all of them for each arm; two arms are compared on those that both have" if len(seeds) > 1 else ""
    return (f"{count(len(cells), 'run')}{whose}. {count(len(seeds), 'pretext seed')}{shared}. No run was left out for its "
            "result. Accuracy is that of the best one-to-one match of clusters to classes.")


def outcome(results):
    main = results.summary("main")
    found = {name: list(main.percent(step, "acc").values()) for name, step in STEPS.items()} if main else {}
    accuracies = [f"{name} {spread(values).text()} (n = {len(values)})" for name, values in found.items() if values]
    scored = f"Accuracy on the test images in percent, by the rewrite: {', '.join(accuracies)}." if accuracies else (
        "No accuracy of the main study: " + ("the test images have no labels." if main else "it was not run."))
    cells = results.cells()
    broken = sum(bool(cell["record"]["degenerate"]) for cell in cells)
    return (f"{scored} {broken} of {count(len(cells), 'run')} left a cluster empty or had a loss that was not finite; all are "
            "counted.")


def difficult(results, divergences, obstacles):
    on_results = sum(entry["concerns"] == "results" for entry in divergences.values())
    reasons = Counter(cell["record"]["not_run"] for cell in _not_run(results))
    stopped = "".join(f" {count(n, 'run')} could not be made: {reason}." for reason, n in reasons.most_common())
    return (f"The authors' code differs from the sources on the paper, or settles what they leave open, in "
            f"{count(len(divergences), 'point')}, of which {on_results} concern results. It meets "
            f"{count(len(obstacles), 'obstacle')} on today's libraries and on other data sets.{stopped} The reproduction "
            "study names unclear hyperparameters, code specific to ImageNet, and misleading run times.")


def communication(results, divergences):
    said = [one.claim.source for one in results.claims] + [entry["paper"] for entry in divergences.values()]
    issues = sorted({int(number) for text in said for number in re.findall(r"issue (\d+)", text)})
    return "None." + f" Cited from their public tracker: {', '.join(f'issue {number}' for number in issues)}." * bool(issues)


def compute(cells):
    """Seconds by machine and by kind of stage, of every record once."""
    spent = {}
    for cell in cells:
        facts = cell["record"]["evidence"]
        kinds = spent.setdefault(machine(facts["hardware"]), Counter())
        kinds[stage_of(cell["step"])] += facts["seconds"]
    return " ".join(f"{name}: {', '.join(f'{KINDS[kind]} {duration(kinds[kind])}' for kind in KINDS if kind in kinds)}; "
                    f"{duration(kinds.total())} in all." for name, kinds in spent.items()) or "None."


def search(dataset):
    said = about(dataset)
    return f"{SETTINGS_FOLDER / dataset}.yaml says" + (f": “{said}”" if said else " nothing of one.")


def conclusion(results):
    words = Counter(one.verdict.word for one in results.claims)
    decided = [f"{words[word]} {word}" for word in WORDS if word not in (UNDECIDED, NOT_TESTED) and words[word]]
    if not decided:
        return f"No claim is decided on {results.name}."
    found = (f"On {results.name}, of {count(len(_tested(results)), 'tested claim')}: {', '.join(decided)}; {words[UNDECIDED]} "
             "undecided.")
    elsewhere = "" if results.name in PUBLISHED_ON else (
        f" No published figure is of {results.name}, so this says whether the method works and in which order its steps stand, "
        "not whether those figures are met.")
    return found + elsewhere


def _tested(results):
    return [one for one in results.claims if one.verdict.word != NOT_TESTED]


def _not_run(results):
    found = {cell["path"]: cell for one in results.summaries for cell, _ in one.not_run()}
    return found.values()


def stage_of(step):
    """The stage of a step: of `neighbors/simclr` it stands first, of `reimpl/<arm>/scan` last."""
    return next(part for part in reversed(step.split("/")) if part in STAGES)


def machine(hardware):
    """What it ran on, in words."""
    processor = f"{hardware.get('processor', 'unknown processor')}, {count(hardware['cores'], 'core')}"
    return hardware.get("accelerator") or f"{processor}, {count(hardware['threads'], 'thread')} a stage"


def duration(seconds):
    """Seconds in the unit that leaves one to three digits: s, min or h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def count(n, noun):
    """A number with its noun: "1 study", "12 studies"."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{n:,} {noun if n == 1 else plural}"
