"""Each study's dvc.yaml, written from its study.yaml. `${item...}`, `${dataset}` and the like are DVC's to fill in."""

from pathlib import Path

import yaml

from harness.files import writing
from studies.study import load_study, names

HEADER = "# Written from study.yaml by `python -m studies write`: what each arm runs, and for which seeds. Edit study.yaml.\n"
RUNS = "runs/${dataset}"
LAST = {("reimpl", "whole"): "selflabel_of_own_pretext", ("reimpl", "clustering"): "selflabel", ("reimpl", "scan"): "scan_alone",
        ("reimpl", "selflabel"): "selflabel_alone", ("original_ref", "clustering"): "original_selflabel"}
"""The last stage that an arm of each group runs."""
PRETEXT_SEED, SEED = "${item.pretext_seed}", "${item.pretext_seed}-${item.seed}"


def write():
    """Bring every dvc.yaml up to date. Returns the paths of those that were not."""
    stale = outdated()
    for path, text in stale.items():
        with writing(path) as temporary:
            temporary.write_text(text)
    return list(stale)


def outdated():
    """Text by path of each dvc.yaml that is not what it should be. Raises UserError for a study.yaml that is wrong."""
    texts = {Path("studies") / name / "dvc.yaml": render(name, load_study(name)) for name in names()}
    return {path: text for path, text in texts.items() if not path.exists() or path.read_text() != text}


def render(name, study):
    """The dvc.yaml of a study, as text."""
    params = "../../params.yaml" + (":dataset,pretext_seeds" if study.clustering_seeds else "")
    found = {"vars": [params, "study.yaml"], "stages": stages(name, study)}
    return HEADER + yaml.safe_dump(found, sort_keys=False, width=120).replace("\n  summary:", "\n\n  summary:")


def stages(name, study):
    """The stages of a study, by name: those of each group that has arms, and the summary."""
    task = study.start["pretext"]
    ours, theirs = (f"{RUNS}/{name}/{implementation}/${{item.arm}}" for implementation in ("reimpl", "original_ref"))
    shared = {stage: f"{RUNS}/{stage}/{task}/{PRETEXT_SEED}" for stage in ("pretext", "neighbors")}
    own = {stage: f"{ours}/{PRETEXT_SEED}/{stage}" for stage in ("pretext", "neighbors")}
    mined = f"{RUNS}/original_ref/pretext/simclr/{PRETEXT_SEED}"
    found = {}
    if study.has_arms():
        found["settings"] = settings_stage(name)
    if study.has("reimpl", "whole"):
        found["pretext"] = pretext_stage(name, "pretext", task, {}, own["pretext"], ["model.pt", "metrics.json"])
        found["neighbors"] = pretext_stage(name, "neighbors", task, {"pretext": own["pretext"]}, own["neighbors"],
                                           ["neighbors.npz", "embeddings.npz", "metrics.json"])
        found["scan_of_own_pretext"] = scan_stage(name, "whole", own)
        found["selflabel_of_own_pretext"] = selflabel_stage(name, "whole", ours)
    if study.has("reimpl", "clustering"):
        found["scan"] = scan_stage(name, "clustering", shared)
        found["selflabel"] = selflabel_stage(name, "clustering", ours)
    if study.has("reimpl", "scan"):
        found["scan_alone"] = scan_stage(name, "scan", shared)
    if study.has("reimpl", "selflabel"):
        found["selflabel_alone"] = selflabel_stage(name, "selflabel", f"{RUNS}/{study.start['scan']}")
    if study.has("original_ref", "clustering"):
        found["original_scan"] = scan_stage(name, "clustering", {"pretext": mined, "neighbors": mined}, "original_ref")
        found["original_selflabel"] = selflabel_stage(name, "clustering", theirs, "original_ref")
    return found | {"summary": summary_stage(name, study)}


def settings_stage(name):
    """The settings in force for each stage of each arm, a file each."""
    out = f"{RUNS}/{name}/settings"
    return {
        "wdir": "../..",
        "cmd": quoted(f"python -m studies.settings --dataset ${{dataset}} --study {name} --out {out}"),
        "deps": ["runs/code/studies.settings.json", "params/${dataset}.yaml", f"studies/{name}/study.yaml"],
        "outs": [out],
    }


def pretext_stage(name, stage, task, inputs, out, files):
    """The pretext task, or the mining of neighbors, of arms that have their own."""
    return _stage(name, "reimpl", "whole", f"{stage} --task {task}", PRETEXT_SEED, inputs,
                  [f"{folder}/model.pt" for folder in inputs.values()], [f"{out}/{file}" for file in files], out)


def scan_stage(name, group, inputs, implementation="reimpl"):
    """SCAN of the arms of a group. Args: inputs: the folders of `pretext` and `neighbors`."""
    return _clustering_stage(name, implementation, group, "scan", inputs)


def selflabel_stage(name, group, start, implementation="reimpl"):
    """Self-labeling of the arms of a group. Args: start: the folder of the arm whose SCAN is started from."""
    return _clustering_stage(name, implementation, group, "selflabel", {"scan": f"{start}/{SEED}/scan"})


def _clustering_stage(name, implementation, group, stage, inputs):
    out = f"{RUNS}/{name}/{implementation}/${{item.arm}}/{SEED}/{stage}"
    if implementation == "original_ref":  # whole folders, by original_ref's rule in /dvc.yaml
        deps, outs = ["runs/reference.json", *dict.fromkeys(inputs.values())], [{out: {"persist": True}}]
    else:
        read = {"pretext": "model.pt", "neighbors": "neighbors.npz", "scan": "model.pt"}
        deps = [f"{folder}/{read[option]}" for option, folder in inputs.items()]
        outs = [f"{out}/{file}" for file in ("model.pt", "predictions.npz", "metrics.json")]
    return _stage(name, implementation, group, stage, SEED, inputs, deps, outs, out)


def _stage(name, implementation, group, command, seed, inputs, deps, outs, out):
    """One stage of a dvc.yaml. Args: command: the stage, with its task if it has one; deps: besides code, settings and images."""
    stage, code = command.split()[0], command.replace(" --task ", ".")
    folders = " ".join(f"--{option} {folder}" for option, folder in inputs.items())
    matrix = {"arm": f"${{arms.{implementation}.{group}}}", "pretext_seed": "${pretext_seeds}"}
    if seed == SEED:
        matrix["seed"] = "${clustering_seeds}"
    return {
        "matrix": matrix,
        "wdir": "../..",
        "cmd": quoted(f"python -m {implementation} {command} --study {name} --arm ${{item.arm}} --dataset ${{dataset}} "
                      f"--seed {seed} --data data/${{dataset}} {folders} --out {out}"),
        "deps": [f"runs/code/{implementation}.{code}.json", f"{RUNS}/{name}/settings/{implementation}/${{item.arm}}/{stage}.json",
                 "data/${dataset}", *deps],
        "outs": outs,
    }


def quoted(command):
    """A command with each word in quotes that DVC fills in, should what it fills in ever be more than a name."""
    return " ".join(f"'{word}'" if "${" in word else word for word in command.split())


def summary_stage(name, study):
    return {
        "wdir": "../..",
        "cmd": quoted(f"python -m studies.summary --study {name} --dataset ${{dataset}} --out {RUNS}/summary/{name}"),
        "params": ["pretext_seeds", "clustering_seeds"],
        "deps": ["runs/code/studies.summary.json", f"studies/{name}/study.yaml", "data/${dataset}", "records",
                 *(f"{RUNS}/{folder}" for folder in summarised(name, study))],
        "outs": [f"{RUNS}/summary/{name}"],
    }


def summarised(name, study):
    """The folders under runs/<dataset>/ whose records the summary of a study collects."""
    own = [f"{name}/{implementation}" for implementation, groups in study.arms.items() if any(groups.values())]
    return list(dict.fromkeys([*study.shared, *study.reads.values(), *own]))
