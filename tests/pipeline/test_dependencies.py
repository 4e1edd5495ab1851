"""Each stage's `deps` are the source files that it imports, no more and no fewer; its params are what it reads."""

from pathlib import Path

import pytest
import yaml

from harness.files import read_yaml
from studies.code import source_files

ROOT = Path(__file__).parent.parent.parent
COMMANDS = {
    "dataset": ["harness.__main__", "harness.datasets"],
    "pretext": ["reimpl.__main__", "reimpl.pretext"],
    "neighbors": ["reimpl.__main__", "reimpl.neighbors"],
    "kmeans_pixels": ["reimpl.__main__", "reimpl.kmeans"],
    "kmeans_embeddings": ["reimpl.__main__", "reimpl.kmeans"],
    "report": ["report.__main__"],
    "reference": ["original_ref.__main__"],
    "original_pretext": ["original_ref.__main__", "original_ref.pretext"],
}
IN_STUDIES = {  # whichever study they stand in
    "scan": ["reimpl.__main__", "reimpl.scan"],
    "selflabel": ["reimpl.__main__", "reimpl.selflabel"],
    "original_scan": ["original_ref.__main__", "original_ref.scan"],
    "original_selflabel": ["original_ref.__main__", "original_ref.selflabel"],
    "summary": ["studies.__main__"],
}


def stages():
    found = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for file in sorted(ROOT.glob("studies/*/dvc.yaml")):
        study = yaml.safe_load(file.read_text())["stages"]
        found |= {f"{file.parent.name}:{name}": stage for name, stage in study.items()}
    return found


@pytest.mark.parametrize("name", stages())
def test_a_stage_depends_on_the_files_that_it_imports(name):
    listed = {dep for dep in stages()[name]["deps"] if dep.endswith(".py")}
    modules = IN_STUDIES[name.split(":")[1]] if ":" in name else COMMANDS[name]
    imported = set(source_files(modules, ROOT))
    if "${item.task}" in stages()[name]["cmd"]:
        imported.add("reimpl/pretext/${item.task}.py")  # picked at run time; imports nothing that its stage does not
        for task in ("simclr", "rotation"):
            assert set(source_files([f"reimpl.pretext.{task}"], ROOT)) - imported == {f"reimpl/pretext/{task}.py"}
    assert listed == imported, f"{name}: add {sorted(imported - listed)}, remove {sorted(listed - imported)}"


def test_studies_list_the_augmentations_that_they_read():
    """Those that params.yaml names, for whichever data set, with each arm laid over it."""
    datasets = read_yaml(ROOT / "params.yaml")["datasets"].values()
    for file in sorted(ROOT.glob("studies/*/study.yaml")):
        arms = read_yaml(file)["arms"]["reimpl"]
        pipeline = yaml.safe_load((file.parent / "dvc.yaml").read_text())["stages"]
        for stage in ("scan", "selflabel"):
            sections = [dataset[stage] | arm[stage] for dataset in datasets for arm in arms.values()]
            named = {value for section in sections for key, value in section.items() if key.endswith("augmentation")} - {""}
            listed = {param.rsplit(".", 1)[1] for param in pipeline[stage]["params"]
                      if isinstance(param, str) and ".augmentation." in param}
            assert listed == named, f"{file}: {stage}"


def test_source_files_are_found_through_every_form_of_import(tmp_path):
    """By hand: a imports b at the top, c inside a function; c imports its package's own file."""
    room = tmp_path / "reimpl"
    (room / "sub").mkdir(parents=True)
    for name, text in {"__init__.py": "", "a.py": "from reimpl import b\ndef f():\n    import reimpl.sub.c\n", "b.py": "",
                       "sub/__init__.py": "import numpy", "sub/c.py": "from reimpl.sub import thing", "d.py": ""}.items():
        (room / name).write_text(text)
    assert source_files(["reimpl.a"], tmp_path) == [
        "reimpl/__init__.py", "reimpl/a.py", "reimpl/b.py", "reimpl/sub/__init__.py", "reimpl/sub/c.py"]
