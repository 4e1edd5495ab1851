"""Followers against the formula, number by number."""

import pytest
import torch
from torch import nn

from reimpl.train.ema import follow_, follower


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0, torch.tensor(0.75)])
def test_a_follower_moves_by_the_formula_and_its_leader_does_not(momentum):
    """Three steps of a leader that has a part which nothing follows; BatchNorm's statistics are each network's own."""
    torch.manual_seed(0)
    leader = nn.ModuleDict({"head": nn.Linear(2, 2), "body": nn.BatchNorm1d(2)})
    led = follower(leader)
    leader["other"] = nn.Linear(2, 2)
    assert not any(parameter.requires_grad for parameter in led.parameters())
    expected = {name: parameter.flatten().tolist() for name, parameter in led.named_parameters()}
    for step in range(3):
        for parameter in leader.parameters():
            nn.init.normal_(parameter)
        leader["body"].running_mean.fill_(step + 5)
        before = {name: parameter.clone() for name, parameter in leader.named_parameters()}
        follow_(led, leader, momentum)
        expected = {name: [float(momentum) * there + (1 - float(momentum)) * here
                           for there, here in zip(values, before[name].flatten().tolist())] for name, values in expected.items()}
        for name, parameter in led.named_parameters():
            assert parameter.flatten().tolist() == pytest.approx(expected[name], abs=1e-6)  # float32, of numbers around 1
        assert all(torch.equal(parameter, before[name]) for name, parameter in leader.named_parameters())
    assert led["body"].running_mean.tolist() == [0, 0]
