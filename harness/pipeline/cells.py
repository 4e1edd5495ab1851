"""The cells of a study, and where the result of each lies."""

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.params import clustering_seeds, pretext_seeds
from harness.pipeline.study import FILE, load_study
from harness.stages import STAGES


@dataclass(frozen=True)
class Result:
    """Where one cell's record lies. `step` is `<implementation>/<arm>/<stage>`, or the shared folder's name."""

    step: str
    seed: str
    folder: Path
    kept: bool = False
    """Whether that is a record of what ran elsewhere (harness/results/verify.py)."""


def stages_of(target, where):
    """The stages of another study's arm, by name. Args: target: <study>/<implementation>/<arm>; where: the key that names it."""
    study, implementation, arm = target.split("/")
    try:
        found = load_study(study)
        return [stage.name for stage in found.run(implementation, found.group(implementation, arm))]
    except UserError as error:
        raise UserError(f"{where} is {target!r}: {error}") from None


def start_results(study, dataset, seeds):
    """The cells that the study's arms start from. Args: seeds: as in results."""
    root, pretext = Path("runs") / dataset, seeds[0]
    steps = [f"{stage}/{study.start['pretext']}" for stage in ("pretext", "neighbors")]
    steps += ["original_ref/pretext/simclr"] * any(study.arms.get("original_ref", {}).values())
    found = [Result(step, str(seed), root / step / str(seed)) for step in steps for seed in pretext]
    if study.has("reimpl", "selflabel"):
        _, implementation, arm = study.start["scan"].split("/")
        both = [f"{first}-{second}" for first in pretext for second in seeds[1]]
        found += [Result(f"{implementation}/{arm}/scan", seed, root / "studies" / study.start["scan"] / seed / "scan")
                  for seed in both]
    return found


def results(study, name, dataset, seeds=None):
    """Every cell of the study `name`, in the order of study.yaml; one that is read and run under the same seed counts once.

    Args: seeds: pretext seeds and clustering seeds; those of params.yaml, or the study's own, where left out. Where they are
    given, a cell has a Result for each folder that it may lie in, of which `once` picks.
    """
    root = Path("runs") / dataset
    pretext, clustering = seeds or (pretext_seeds(), clustering_seeds())
    both = [f"{first}-{second}" for first in pretext for second in clustering]
    own = [f"{first}-{second}" for first in pretext for second in study.clustering_seeds if not seeds] or both
    alone = list(map(str, pretext))
    found = [Result(shared, seed, root / shared / seed) for shared in study.shared for seed in alone]
    for arm, target in study.reads.items():
        run = stages_of(target, f"studies/{name}/{FILE}: reads.{arm}")
        implementation = target.split("/")[1]
        found += [Result(f"{implementation}/{arm}/{stage}", seed, root / "studies" / target / seed / stage)
                  for stage in study.stages() if stage in run for seed in (alone if STAGES[stage].seeds == "pretext" else both)]
    for implementation, group, arm, _ in study.each_arm():
        found += [Result(f"{implementation}/{arm}/{stage.name}", seed,
                         root / "studies" / name / implementation / arm / seed / stage.name)
                  for stage in study.run(implementation, group) for seed in (alone if stage.seeds == "pretext" else own)]
    steps = [result.step for result in found]
    return sorted(found if seeds else once(found), key=lambda result: steps.index(result.step))


def once(found):
    """The first Result of each step and seed."""
    first = {(result.step, result.seed): result for result in reversed(found)}
    return [result for result in found if result is first[result.step, result.seed]]
