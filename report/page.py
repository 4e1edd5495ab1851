"""The report's page: what is shown, in which order, and the evidence for it."""

import os
import re
from itertools import groupby
from pathlib import Path

from harness.files import read_yaml, write_text
from harness.stages import BASELINES, SCORED, STAGES, title
from report.abstract import abstract, stage_of
from report.answer import answer, labels_read
from report.claims import read_results, write_claims
from report.details import study_drawings
from report.drawings import differences
from report.forest import forest
from report.published import published_tables
from report.runs import merges
from report.sheets import read_sheets
from report.speed import FILE, read_speed
from report.statistics import higher, paired, spread, variance_shares
from report.summaries import flat, made_on
from report.tables import IMPLEMENTATIONS, PUBLISHED_ON, clustering_table, label, neighbor_table, write_table
from report.templates import write_page
from report.verdicts import FEWEST, LEVEL, NOT_TESTED, WORDS

HERE = Path(__file__).parent
DIVERGENCES = HERE.parent / "original_ref/divergences.yaml"
OBSTACLES = HERE.parent / "original_ref/obstacles.yaml"
SHARES = ("acc", "nmi", "ari", "train_accuracy", "test_accuracy", "confident")  # figures shown in percent


def build(dataset, summaries, out, bench=FILE, looks=()):
    """Write index.html, and per study tables (CSV, LaTeX) and figures (SVG), into `out`. Returns the Results that are shown.

    Args: bench: what `make bench` wrote, if it ran; looks: numbers of seeds at which claims are looked at, of params.yaml.
    """
    results = read_results(dataset, summaries, looks)
    found, facts, missing, claims = results.summaries, results.facts, results.missing, results.claims
    write_claims(claims, out / "claims.csv")
    studies = [study_section(summary, claims, facts, out / summary.name) for summary in found]
    divergences, obstacles = read_yaml(DIVERGENCES), read_yaml(OBSTACLES)
    scale, lines = forest(claims, facts["matters"])
    words = [judged.verdict.word for judged in claims]
    about = {summary.name: summary.study for summary in found} | dict(missing)
    titles = {name: study.title for name, study in about.items()}
    write_page(
        "page.html.jinja", out / "index.html", facts=facts, answer=answer(results), labels_read=labels_read(results),
        studies=studies, missing=missing,
        counts={word: words.count(word) for word in WORDS if word != NOT_TESTED}, scale=scale,
        forest=[list(group) for _, group in groupby(lines, lambda line: line.judged.study)],
        claims=claims, untested=[one for one in claims if one.verdict.word == NOT_TESTED], records=len(results.cells()),
        tested=sum(bool(judged.verdict.finding.tests) for judged in claims), fewest=FEWEST, level=LEVEL,
        seeds=max((line.judged.verdict.finding.n for line in lines), default=0), axis=any(line.text for line in lines),
        looks=looks, titles=titles, tested_titles={line.judged.study: titles[line.judged.study] for line in lines},
        divergences=divergences, effects=effects(found), labels=about["divergences"].labels if "divergences" in about else {},
        obstacles=obstacles, abstract=abstract(results, divergences, obstacles),
        published=published_tables(found, missing, facts["name"], out), comparable=facts["name"] in PUBLISHED_ON,
        published_on=PUBLISHED_ON["cifar10"], shares=SHARES, evidence=evidence(found), kept=kept_lines(results),
        sheets=read_sheets(summaries, out), scored="test" in facts.get("labelled", ["test"]), speed=read_speed(bench),
        implementations=IMPLEMENTATIONS, to_root=os.path.relpath(".", out))
    return results


def study_section(summary, claims, facts, out):
    """All that the page shows of one study, as a mapping for the template; writes its tables and figures."""
    tables = [table for table in (clustering_table(summary, facts["name"]), neighbor_table(summary, facts["name"])) if table]
    for table in tables:
        write_table(table, out / "tables")
    drawings = study_drawings(summary, facts["classes"], tables[0])
    for name, svg in (file for drawing in drawings for file in drawing.files):
        write_text(out / "figures" / f"{name}.svg", svg)
    cells = ran(summary)
    return {
        "name": summary.name, "study": summary.study, "tables": tables, "drawings": drawings,
        "claims": [one for one in claims if one.study == summary.name],
        "degenerate": degenerate(summary), "merges": merging(summary, facts["classes"]), "apart": apart(summary),
        "headlines": headlines(tables[0]) if summary.name == "main" else [], "steps": step_by_step(summary),
        "not_run": reasons_not_run(summary), "variances": variances(summary),
        "settings": settings_in_force(cells) if summary.name == "main" else [],
    }


def ran(summary):
    """The cells that have run, in the order in which data flows."""
    cells = [cell for cell in summary.records if not cell["record"]["not_run"]]
    return sorted(cells, key=lambda cell: (_order(cell["step"]), cell["step"], _numbers(cell["seed"])))


def _order(step):
    return list(STAGES).index(stage_of(step))


def _numbers(seed):
    return [int(part) for part in seed.split("-")]


def degenerate(summary):
    """(step in words, sentence) -> the cells of which a record says so."""
    found = {}
    for cell in ran(summary):
        for sentence in cell["record"]["degenerate"]:
            sentence = re.sub(r"^(1 of \d+ clusters) are", r"\1 is", sentence)  # records say "are" of any number
            found.setdefault((label(summary, cell["step"]), sentence), []).append(cell)
    return found


def merging(summary, classes):
    """(step in words, sentence) of each step of which some runs merge classes."""
    found = {step: merges(summary.confusions(step).values(), classes) for step in dict.fromkeys(
        cell["step"] for cell in ran(summary))}
    return [(label(summary, step), sentence) for step, sentence in found.items() if sentence]


def inputs(cell):
    """{file: SHA-256} of what a run read; the first kept records name the folders of studies without `studies`."""
    return {file.replace("/studies/", "/"): digest for file, digest in cell["record"]["evidence"]["inputs"].items()}


def apart(summary):
    """(how many, of how many) runs read other files than the default's run of the same seed and stage did under the same names:
    weights of another processor, which rounds otherwise."""
    default, told = summary.baseline(), []
    for arm in summary.arms() if default else ():
        for stage in summary.study.stages() if arm != default else ():
            read = {cell["seed"]: inputs(cell) for cell in summary.cells(default.step(stage))}
            told += [any(read[cell["seed"]].get(file, digest) != digest for file, digest in inputs(cell).items())
                     for cell in summary.cells(arm.step(stage)) if cell["seed"] in read]
    return sum(told), len(told)


def reasons_not_run(summary):
    """Each reason, with the steps that it kept from running and the seeds of each: {reason: {step: [seed, ...]}}."""
    found = {}
    for cell, reason in summary.not_run():
        found.setdefault(reason, {}).setdefault(cell["step"], []).append(cell["seed"])
    return found


def headlines(table):
    """(step, source, Entry of ACC) of each row that was run here."""
    return [(row.step, row.source, row.entries["acc"]) for row in table.rows
            if row.ours and row.entries["acc"].mean is not None]


def step_by_step(summary):
    """From step to step: (before, after, Spread of the differences by seed, in points of ACC, in how many it is higher)."""
    pairs = [BASELINES] if set(BASELINES) <= set(summary.study.shared) else []
    shared = BASELINES[1] if pairs else ""
    for arm in summary.arms():
        features = arm.step("kmeans") if summary.cells(arm.step("kmeans")) else shared
        if features and arm.implementation == "reimpl":  # k-means is on the rewrite's features
            pairs += [(features, arm.step(stage)) for stage in ("scan", "selflabel")]
        if features:
            pairs.append((arm.step("scan"), arm.step("selflabel")))
    found = []
    for before, after in pairs:
        values = paired(summary.percent(after, "acc"), summary.percent(before, "acc"))
        if values:
            found.append((label(summary, before), label(summary, after), spread(values), higher(values)))
    return found


def variances(summary):
    """(step, Variance) where pretext seeds have several clustering seeds each: how the variance of ACC, in points, divides. Of a
    pretext seed those runs count that started from the same weights, as most of them did."""
    found = []
    for arm in summary.arms():
        weights = summary.weights(arm)
        for stage in summary.study.stages():
            alike = {}
            for seed, value in summary.percent(arm.step(stage), "acc").items():
                alike.setdefault((seed.split("-")[0], weights.get(seed)), []).append(value)
            groups = {pretext_seed: values for (pretext_seed, _), values in sorted(alike.items(), key=lambda one: len(one[1]))
                      if len(values) > 1}
            if len(groups) > 1:
                found.append((title(stage), variance_shares(groups), spread([v for values in groups.values() for v in values])))
    return found


def effects(summaries):
    """What each divergence was found to change, by name: (step, Spread of the differences from the default, interval)."""
    found = {}
    for summary in (summary for summary in summaries if summary.name == "divergences"):
        for stage in SCORED:
            for arm, values, interval in differences(summary, stage):
                found.setdefault(arm.name, []).append((title(stage), spread(list(values.values())), interval))
    return found


def evidence(summaries):
    """Every record of every study once, under the study that ran it: [(study, [cell, ...], [machine, ...], seconds)]."""
    seen, found = set(), []
    for summary in summaries:
        cells = [cell for cell in ran(summary) if cell["path"] not in seen]
        seen |= {cell["path"] for cell in cells}
        seconds = sum(cell["record"]["evidence"]["seconds"] for cell in cells)
        found.append((summary.name, cells, machines(cells), seconds))
    return found


def machines(cells):
    """Each combination of hardware, package versions and code revision met, with the number of records it made, kept or not."""
    found = {}
    for cell in cells:
        facts = cell["record"]["evidence"]
        key = (tuple(facts["hardware"].items()), tuple(facts["packages"].items()), facts["revision"], bool(cell.get("kept")))
        found[key] = found.get(key, 0) + 1
    return [{"hardware": dict(hardware), "packages": dict(packages), "revision": revision, "kept": kept, "records": count}
            for (hardware, packages, revision, kept), count in found.items()]


def kept_lines(results):
    """(how many, machines and revisions as text) of the kept records of all studies; None where there are none."""
    cells = [cell for cell in results.cells() if cell.get("kept")]
    return (len(cells), made_on(cells)) if cells else None


def settings_in_force(cells):
    """(step, [(setting, value)]) for the first seed of each step."""
    first = {}
    for cell in cells:
        first.setdefault(cell["step"], cell["record"]["settings"])
    return [(step, list(flat(settings))) for step, settings in first.items()]
