"""The table of stages: by hand, what each group runs and what is made from what; and that its modules and files are there."""

import importlib

import pytest

from harness.stages import BASELINES, GROUPS, PIPELINE, SCORED, STAGES, made_from, of_group, shared_steps, title


def test_what_an_arm_of_each_group_runs_and_names():
    assert {group: [stage.name for stage in of_group(group)] for group in GROUPS} == {
        "whole": ["pretext", "neighbors", "kmeans", "scan", "selflabel"], "clustering": ["scan", "selflabel"], "scan": ["scan"],
        "selflabel": ["selflabel"], "baseline": ["baseline"]}
    assert [stage.name for stage in PIPELINE if stage.groups and not stage.named] == ["neighbors"]
    assert [stage.name for stage in PIPELINE if stage.optional] == ["kmeans"]


def test_data_flows_in_the_order_of_the_table():
    """Whatever a stage reads, one before it writes."""
    for number, stage in enumerate(PIPELINE):
        for path in stage.inputs.values():
            name, file = path.split("/")
            assert file in STAGES[name].outputs and name in [before.name for before in PIPELINE[:number]]
    assert made_from("selflabel") == {"dataset", "pretext", "neighbors", "scan", "selflabel"}
    assert made_from("kmeans") == {"dataset", "pretext", "neighbors", "kmeans"} and made_from("dataset") == {"dataset"}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_each_stage_is_a_module_of_its_implementations(stage):
    for implementation in stage.implementations:
        assert callable(importlib.import_module(f"{implementation}.{stage.module or stage.name}").run)


def test_steps_that_are_shared_and_their_titles():
    assert BASELINES == ("kmeans/pixels", "kmeans/embeddings") and SCORED == ("kmeans", "baseline", "scan", "selflabel")
    assert shared_steps(["simclr", "other"]) == [
        "pretext/simclr", "pretext/other", "neighbors/simclr", "neighbors/other", *BASELINES, "original_ref/pretext/simclr"]
    titles = {"selflabel": "SCAN + self-label", "kmeans": "pretext + k-means", "kmeans/pixels": "pixels + k-means",
              "neighbors/simclr": "SimCLR", "neighbors/other": "other", "original_ref/pretext/simclr": "SimCLR"}
    assert {step: title(step) for step in titles} == titles
