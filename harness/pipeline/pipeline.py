"""Each study's dvc.yaml, written from its study.yaml. `${item...}`, `${dataset}` and the like are DVC's to fill in."""

from pathlib import Path

import yaml

from harness.files import read_text, write_text
from harness.pipeline.study import START, load_study, names
from harness.stages import GROUPS, IMPLEMENTATIONS

HEADER = "# Written from study.yaml by `python -m studies write`: what each arm runs, and for which seeds. Edit study.yaml.\n"
RUNS = "runs/${dataset}"
STUDIES = f"{RUNS}/studies"
MATRIX = {"pretext": {"pretext_seed": "${pretext_seeds}"},
          "clustering": {"pretext_seed": "${pretext_seeds}", "seed": "${clustering_seeds}"}}
SEED = {"pretext": "${item.pretext_seed}", "clustering": "${item.pretext_seed}-${item.seed}"}


def write():
    """Bring every dvc.yaml up to date. Returns the paths of those that were not."""
    stale = outdated()
    for path, text in stale.items():
        write_text(path, text)
    return list(stale)


def outdated():
    """Text by path of each dvc.yaml that is not what it should be. Raises UserError for a study.yaml that is wrong."""
    texts = {Path("studies") / name / "dvc.yaml": render(name, load_study(name)) for name in names()}
    return {path: text for path, text in texts.items() if not path.exists() or read_text(path) != text}


def render(name, study):
    """The dvc.yaml of a study, as text."""
    params = "../../params.yaml" + (":dataset,pretext_seeds" if study.clustering_seeds else "")
    found = {"vars": [params, "study.yaml"], "stages": stages(name, study), **shown(name)}
    text = yaml.safe_dump(found, sort_keys=False, width=120)
    return HEADER + text.replace("\n  summary:", "\n\n  summary:").replace("\nmetrics:", "\n\nmetrics:")


def stages(name, study):
    """The stages of a study, by name: those of each group that has arms, and the summary."""
    found = {"settings": settings_stage(name)} if study.has_arms() else {}
    for implementation in IMPLEMENTATIONS:
        for group in (group for group in GROUPS if study.has(implementation, group)):
            for stage in study.run(implementation, group):
                for variant, arms in by_variant(study, implementation, group, stage).items():
                    found[dvc_name(stage, implementation, group, variant)] = arm_stage(
                        name, study, implementation, group, stage, variant, arms)
    return found | {"summary": summary_stage(name, study)}


def shown(name):
    """What `dvc metrics` and `dvc plots` show of a study: files of its summary, which no stage has as outputs of their own."""
    summary = f"../../{RUNS}/summary/{name}"
    return {
        "metrics": [f"{summary}/means.json"],
        "plots": [{f"{summary}/cells.csv": {"template": "seeds", "x": "value", "y": "step", "title": f"{name}: seeds"}},
                  {f"{summary}/curves.csv": {"template": "curves", "x": "epoch", "y": "loss", "title": f"{name}: curves"}}],
    }


def by_variant(study, implementation, group, stage):
    """What a Stage is run as by the arms of a group, and the arms of each, as DVC takes them: a list for each, where there are
    several, since each pretext task and each method has code of its own to depend on."""
    found = {}
    for arm in study.arms[implementation][group]:
        found.setdefault(study.variant(stage, implementation, arm), []).append(arm)
    return found if len(found) > 1 else dict.fromkeys(found, f"${{arms.{implementation}.{group}}}")


def dvc_name(stage, implementation, group, variant):
    """What DVC calls a Stage of a group's arms."""
    if stage.picks(implementation) and variant != START["pretext"]:
        return f"{stage.name}_{variant}"
    return f"{'original_' * (implementation == 'original_ref')}{stage.name}{GROUPS[group] * (stage.seeds == 'clustering')}"


def settings_stage(name):
    """The settings in force for each stage of each arm, a file each."""
    out = f"{STUDIES}/{name}/settings"
    return {
        "wdir": "../..",
        "cmd": quoted(f"python -m harness.pipeline.resolve --dataset ${{dataset}} --study {name} --out {out}"),
        "deps": ["runs/code/harness.pipeline.resolve.json", "params", f"studies/{name}/study.yaml"],
        "outs": [out],
    }


def arm_stage(name, study, implementation, group, stage, variant, arms):
    """A Stage of some arms of a group, for each of its seeds."""
    own = {one.name: f"{STUDIES}/{name}/{implementation}/${{item.arm}}/{SEED[one.seeds]}/{one.name}"
           for one in study.run(implementation, group)}
    folders = start(study, implementation) | own
    read = {option: path.split("/") for option, path in stage.inputs.items()}
    out = own[stage.name]
    if implementation == "original_ref":  # whole folders, by original_ref's rule in /dvc.yaml
        deps = ["runs/reference.json", *dict.fromkeys(folders[before] for before, _ in read.values())]
        outs = [{out: {"persist": True}}]
    else:
        deps = [f"{folders[before]}/{file}" for before, file in read.values()]
        outs = [f"{out}/{file}" for file in (*stage.outputs, "metrics.json")]
    command = f"{implementation} {stage.name}" + f" --{stage.option} {variant}" * bool(stage.option)
    settings = f"{STUDIES}/{name}/settings/{implementation}/${{item.arm}}/{stage.name}.json"
    inputs = " ".join(f"--{option} {folders[before]}" for option, (before, _) in read.items())
    return {
        "matrix": {"arm": arms, **MATRIX[stage.seeds]},
        "wdir": "../..",
        "cmd": quoted(f"python -m {command} --study {name} --arm ${{item.arm}} --dataset ${{dataset}} "
                      f"--seed {SEED[stage.seeds]} --settings {settings} --data data/${{dataset}} {inputs} --out {out}"),
        "deps": [f"runs/code/{stage.code(implementation, variant)}.json", settings, "data/${dataset}", *deps],
        "outs": outs,
    }


def start(study, implementation):
    """The folder of each stage that arms may start from, by the stage's name."""
    scan = {"scan": f"{STUDIES}/{study.start['scan']}/{SEED['clustering']}/scan"}
    if implementation == "original_ref":  # whose pretext task mines the neighbors, too
        return scan | dict.fromkeys(("pretext", "neighbors"), f"{RUNS}/original_ref/pretext/simclr/{SEED['pretext']}")
    return scan | {stage: f"{RUNS}/{stage}/{study.start['pretext']}/{SEED['pretext']}" for stage in ("pretext", "neighbors")}


def quoted(command):
    """A command with each word in quotes that DVC fills in, should what it fills in ever be more than a name."""
    return " ".join(f"'{word}'" if "${" in word else word for word in command.split())


def summary_stage(name, study):
    return {
        "wdir": "../..",
        "cmd": quoted(f"python -m harness.results.summary --study {name} --dataset ${{dataset}} --out {RUNS}/summary/{name}"),
        "params": ["pretext_seeds", "clustering_seeds"],
        "deps": ["runs/code/harness.results.summary.json", f"studies/{name}/study.yaml", "data/${dataset}", "records",
                 *summarised(name, study)],
        "outs": [f"{RUNS}/summary/{name}"],
    }


def summarised(name, study):
    """The folders whose records the summary of a study collects."""
    own = [f"{name}/{implementation}" for implementation, groups in study.arms.items() if any(groups.values())]
    of_arms = [f"{STUDIES}/{folder}" for folder in (*study.reads.values(), *own)]
    return list(dict.fromkeys([*(f"{RUNS}/{folder}" for folder in study.shared), *of_arms]))
