"""Whether params.yaml, params/ and every study.yaml are right: what is wrong, in which line, and what would mend it."""

import json
import re
from pathlib import Path

import yaml

from harness import resources
from harness.errors import UserError
from harness.files import read_text
from harness.params import clustering_seeds, dataset_name, pretext_seeds, pretext_tasks
from harness.pipeline import check_settings
from harness.pipeline.cells import results
from harness.pipeline.confounded import notes
from harness.pipeline.pipeline import outdated
from harness.pipeline.resolve import sections_of
from harness.pipeline.study import FILE, load_study, names
from harness.settings import SECTIONS, Pretext
from harness.stages import STAGES, shared_steps


def check():
    """Print what is wrong, a line each. Raises UserError with how many there are, if any."""
    problems = all_problems()
    for problem in problems:
        print(problem)
    if problems:
        raise UserError(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}")
    for name, note in notes({name: load_study(name) for name in names()}):
        print("note:", located(study_file(name), note))
    print(f"{len(names())} studies are right: {', '.join(names())}; and so are the settings")


def check_run():
    """Raise UserError for the first thing that is wrong with params.yaml or the settings of the data set that is run. An arm
    whose own settings are wrong fails when its turn comes, and the others run."""
    for file, message in check_settings.all_problems([dataset_name()]):
        raise UserError(located(file, message))


def all_problems():
    """Every problem as `<file>, line <n>: <what is wrong, and the mend>`, in a list.

    What studies refer to is looked at where the settings are right; cells are compared, and pipelines with what their studies ask
    for, where each study by itself is right.
    """
    found = [located(file, message) for file, message in check_settings.all_problems()]
    settings_right, studies = not found, {}
    if settings_right:  # of which it reads execution
        found += [located(resources.FILE, message) for message in of_cluster()]
    for name in names():
        try:
            studies[name] = load_study(name)
        except UserError as error:
            found.append(located(study_file(name), str(error)))
    if settings_right:
        lacking = [located(file, message) for file, message in check_settings.of_variants(studies.values())]
        found, settings_right = found + lacking, not lacking
    if settings_right:
        counts = check_settings.images_of(dataset_name())
        for name, study in studies.items():
            messages = (*of_references(name, study, studies), *of_arms(name, study, counts))
            found += [located(study_file(name), message) for message in messages]
    if not found:
        found += [located(study_file(name), message) for name, message in of_twins(studies)]
        found += [f"{path}: not what its study.yaml asks for; `python -m studies write` renews it" for path in outdated()]
    return found


def study_file(name):
    return Path("studies") / name / FILE


def of_cluster():
    """The first problem of params/slurm.yaml, where there is one."""
    try:
        if resources.FILE.exists():
            resources.cluster()
    except UserError as error:
        yield str(error)


def of_references(name, study, studies):
    """Problems of what a study names: tasks, other studies' arms, steps, figures."""
    tasks = pretext_tasks()
    known = shared_steps(tasks)
    for step in study.shared:
        if step not in known:
            yield f"shared has '{step}'; there are {', '.join(sorted(known))}"
    if study.start["pretext"] not in tasks:
        yield f"start.pretext is '{study.start['pretext']}'; params.yaml: pretext_tasks has {', '.join(tasks)}"
    for arm, target in [*study.reads.items(), ("", study.start["scan"])]:
        where = f"reads.{arm}" if arm in study.reads else "start.scan"
        other, implementation, chosen = target.split("/")
        if other in names() and other not in studies:
            return  # what is wrong with that study is said already
        try:
            run = [stage.name for stage in studies[other].run(implementation, studies[other].group(implementation, chosen))]
        except (KeyError, UserError):
            yield f"{where} is '{target}', which is no arm; it should be <study>/<implementation>/<arm> of another study"
            return
        needed = study.stages() if arm in study.reads else ["scan"]
        if not set(needed) & set(run):
            yield f"{where} is '{target}', which runs none of {', '.join(needed)}"
    steps = {result.step for result in results(study, name, dataset_name())}
    for index, claim in enumerate(study.claims):
        for key in ("of", "than"):
            step = getattr(claim, key)
            if step and step not in steps:
                yield f"claims.{index}.{key} is '{step}', which the study has not; it has {', '.join(sorted(steps))}"
    stage, _, key = study.axis.partition(".")
    if study.axis and SECTIONS.get(stage, Pretext).__annotations__.get(key) not in (int, float):
        yield f"axis is '{study.axis}', which is no setting with a number; it should be as in scan.num_neighbors"


def of_arms(name, study, counts):
    """Problems of the settings that arms change, on the data set of params.yaml. Args: counts: its images by split."""
    for implementation, group, arm, _ in study.each_arm():
        where = f"arms.{implementation}.{group}.{arm}"
        sections = sections_of(dataset_name(), name, implementation, arm, study)
        task = study.variant(STAGES["pretext"], implementation, arm)
        if task not in sections.base["pretext"] and task == study.start["pretext"]:
            continue  # of_references says so
        methods = sections.changes.get("baseline", {})
        for message in check_settings.of_sections(sections, [task], methods, implementation, counts):
            yield f"{where}{message.partition(where)[2] or f': {message}'}"


def of_twins(studies):
    """(study, problem) of each arm that would run a cell which an arm before it runs already."""
    seen = {}
    for name in sorted(studies, key=lambda name: (name != "main", name)):
        study = studies[name]
        clustering = study.clustering_seeds or clustering_seeds()
        seeds = [f"{pretext}-{seed}" for pretext in pretext_seeds() for seed in clustering]
        for implementation, group, arm, _ in study.each_arm():
            key = identity(studies, name, implementation, group, arm)
            for seed in seeds:
                other = seen.setdefault((key, seed), f"{name}/{implementation}/{arm}")
                if other != f"{name}/{implementation}/{arm}":
                    yield name, (f"arms.{implementation}.{group}.{arm} is the same cell as {other}; "
                                 + ("leave one of them out" if other.startswith(f"{name}/") else
                                    "keep it in one study, and name it under reads in the other"))
                    break


def identity(studies, name, implementation, group, arm):
    """All that decides the result of an arm but its seed, as text: the settings in force of each stage, from the first on."""
    section, study = sections_of(dataset_name(), name, implementation, arm, studies[name]), studies[name]
    task = study.variant(STAGES["pretext"], implementation, arm)
    images = json.dumps(section.mapping("dataset"), sort_keys=True)
    if group == "baseline":
        (method,) = study.arms[implementation][group][arm][group]
        return f"{images} baseline {method} {json.dumps(section.mapping(f'baseline.{method}'), sort_keys=True)}"
    if group == "selflabel":
        other, start, chosen = study.start["scan"].split("/")
        before = identity(studies, other, start, studies[other].group(start, chosen), chosen)
        before = before[: before.index(" selflabel ")]
    else:
        pretext, scan = (json.dumps(section.mapping(name), sort_keys=True) for name in (f"pretext.{task}", "scan"))
        before = f"{images} {implementation} {task} {pretext} scan {scan}"
    stages = "" if group == "scan" else json.dumps(section.mapping("selflabel"), sort_keys=True)
    return f"{before} selflabel {stages}"


def located(file, message):
    """The problem with the line that it speaks of: that of the longest chain of keys in it that the YAML file has.

    Of a file that is none the message says so, and in which line.
    """
    prefix = re.match(rf"{re.escape(str(file))}(: |\.)", message)
    message = message[prefix.end() if prefix else 0 :]
    if message.startswith(str(file)):
        return message
    line = 1
    try:
        root = yaml.compose(read_text(file))
    except (yaml.YAMLError, RecursionError, UserError):
        return f"{file}: {message}"
    wrong = message.partition(";")[0]  # the rest is what would be right
    words = re.findall(r"\w+(?:\.\w+)*", wrong)
    quoted = [text for _, text in re.findall(r"(['\"])(.*?)\1", wrong)]
    depth = 0
    for candidate in [[*word.split("."), *last] for word in words for last in ([], *([other] for other in words + quoted))]:
        reached, at = walk(root, candidate)
        if reached > depth:
            depth, line = reached, at
    return f"{file}, line {line}: {message}"


def walk(node, keys):
    """How many of the keys can be followed from a node of a composed YAML file, and the line of the last one."""
    line, depth = 1, 0
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((at, value) for at, value in node.value if at.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
            found = (node.value[int(key)],) * 2
        else:
            found = None
        if found is None:
            break
        at, node = found
        line, depth = at.start_mark.line + 1, depth + 1
    return depth, line
