import pytest
import yaml


@pytest.fixture
def write(tmp_path, monkeypatch):
    """`write(mapping, name)`: a study.yaml of the project that is the working directory; it has two seeds of either kind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("pretext_seeds: [0, 10]\nclustering_seeds: [0, 3]\n")

    def run(mapping, name="s"):
        (tmp_path / "studies" / name).mkdir(parents=True)
        text = mapping if isinstance(mapping, str) else yaml.safe_dump(mapping, sort_keys=False)
        (tmp_path / "studies" / name / "study.yaml").write_text(text)
    return run
