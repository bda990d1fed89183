# SPDX-License-Identifier: Apache-2.0
"""Module: registration, walking, state, copying and the errors it gives."""
import copy

import numpy as np
import pytest

import tinyfin as fin
from tinyfin import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.ReLU()])
        self.scale = nn.Parameter(fin.ones((1,)))
        self.register_buffer("seen", fin.zeros((1,)))
        self.register_buffer("scratch", fin.zeros((2,)), persistent=False)

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        return x * self.scale


NAMES = ["scale", "seen", "first.weight", "first.bias", "layers.0.weight", "layers.0.bias"]


def test_names_in_order():
    net = Net()
    assert list(net.state_dict()) == NAMES
    assert [n for n, _ in net.named_parameters()] == [n for n in NAMES if n != "seen"]
    assert [n for n, _ in net.named_buffers()] == ["seen", "scratch"]
    assert [n for n, _ in net.named_children()] == ["first", "layers"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "layers", "layers.0", "layers.1"]
    assert net.get_submodule("layers.0") is net.layers[0]
    assert [n for n, _ in net.first.named_parameters(prefix="p")] == ["p.weight", "p.bias"]
    assert len(list(net.parameters(recurse=False))) == 1


def test_replacing_and_removing_attributes():
    net = Net()
    net.first = nn.Identity()
    assert "first.weight" not in net.state_dict()
    del net.scale
    assert "scale" not in net.state_dict() and not hasattr(net, "scale")
    net.first = None
    assert [n for n, _ in net.named_children()] == ["layers"]


def test_wrong_replacement_is_an_error():
    net = Net()
    with pytest.raises(TypeError, match="found .*Tensor, wanted a Parameter"):
        net.scale = fin.ones((1,))
    with pytest.raises(TypeError, match="wanted a Tensor"):
        net.seen = 3
    net.seen = fin.ones((1,))
    assert net.state_dict()["seen"].tolist() == [1]


def test_assignment_before_init_is_an_error():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.ReLU()

    with pytest.raises(AttributeError, match="super"):
        Early()


@pytest.mark.parametrize("name", ["", "a.b", 3])
def test_bad_names(name):
    with pytest.raises(KeyError):
        nn.Module().register_buffer(name, fin.zeros((1,)))


def test_missing_forward():
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()(1)


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="nonsense"):
        Net().nonsense


def test_state_dict_shares_memory():
    net = Net()
    state = net.state_dict()
    with fin.no_grad():
        net.scale.fill_(5.0)
    assert state["scale"].tolist() == [5] and not state["scale"].requires_grad


def test_load_state_dict():
    a, b = Net(), Net()
    assert a.load_state_dict(b.state_dict()) == ([], [])
    for p, q in zip(a.parameters(), b.parameters()):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_load_state_dict_lists_all_problems_and_changes_nothing():
    net = Net()
    before = net.scale.tolist()
    state = {**net.state_dict(), "scale": fin.zeros((1,)), "first.weight": fin.zeros((2, 2)), "extra": fin.zeros((1,))}
    del state["seen"]
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    for words in ("missing: seen", "unexpected: extra", "first.weight: found shape (2, 2), wanted (4, 3)"):
        assert words in str(error.value)
    assert net.scale.tolist() == before


def test_load_state_dict_not_strict():
    net = Net()
    result = net.load_state_dict({"scale": fin.full((1,), 9.0), "extra": fin.zeros((1,))}, strict=False)
    assert result.unexpected_keys == ["extra"] and "seen" in result.missing_keys and net.scale.tolist() == [9]


def test_train_and_eval_reach_all():
    net = Net()
    net.eval()
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())


def test_deepcopy_is_independent_and_keeps_ties():
    net = Net()
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    twin, tied_twin = copy.deepcopy(net), copy.deepcopy(tied)
    with fin.no_grad():
        twin.scale.fill_(7.0)
    assert net.scale.tolist() == [1] and twin.scale.requires_grad and isinstance(twin.scale, nn.Parameter)
    assert tied_twin[1].weight is tied_twin[0].weight and tied_twin[0].weight is not tied[0].weight
    assert tied_twin._modules["0"] is tied_twin[0]


def test_tied_parameters_are_listed_once_and_saved_under_both_names():
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    assert len(list(tied.parameters())) == 3
    state = tied.state_dict()
    assert set(state) == {"0.weight", "0.bias", "1.weight", "1.bias"} and state["0.weight"] is state["1.weight"]


def test_to_dtype():
    net = Net().to(fin.float64)
    assert {p.dtype for p in net.parameters()} == {fin.float64}
    assert net(fin.zeros((2, 3), dtype=fin.float64)).dtype == fin.float64
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    tied.double()
    assert tied[0].weight is tied[1].weight and tied[0].weight.dtype == fin.float64


def test_to_keeps_integer_buffers_and_same_objects():
    norm = nn.BatchNorm2d(3)
    weight = norm.weight
    norm.to(fin.float32)
    assert norm.weight is weight
    norm.double()
    assert norm.num_batches_tracked.dtype == fin.int64 and norm.running_mean.dtype == fin.float64


def test_zero_grad():
    net = Net()
    net(fin.ones((2, 3))).sum().backward()
    assert net.scale.grad is not None
    net.zero_grad(set_to_none=False)
    assert net.scale.grad.tolist() == [0]
    net.zero_grad()
    assert net.scale.grad is None


def test_requires_grad_of_all():
    net = Net().requires_grad_(False)
    assert not net(fin.ones((2, 3))).requires_grad


def test_apply_visits_children_first():
    seen = []
    Net().apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "Linear", "ReLU", "ModuleList", "Net"]


def test_repr_is_a_tree():
    text = repr(Net())
    assert text.splitlines()[1] == "  (first): Linear(in_features=3, out_features=4, bias=True)"
    assert "    (1): ReLU()" in text.splitlines()


def test_containers():
    s = nn.Sequential({"a": nn.ReLU(), "b": nn.Linear(2, 3)})
    assert list(s.state_dict()) == ["b.weight", "b.bias"] and len(s) == 2 and isinstance(s[1], nn.Linear) and len(s[:1]) == 1
    items = nn.ModuleList([nn.ReLU()])
    items.append(nn.Tanh())
    items[0] = nn.Sigmoid()
    assert [type(m).__name__ for m in items] == ["Sigmoid", "Tanh"] and isinstance(items[-1], nn.Tanh)
    d = nn.ModuleDict({"x": nn.Linear(1, 1)})
    d["y"] = nn.ReLU()
    assert list(d.keys()) == ["x", "y"] and "x" in d and list(d.state_dict()) == ["x.weight", "x.bias"]
    del d["x"]
    assert list(d) == ["y"]


@pytest.mark.parametrize("change", [
    lambda n: n.eval(), lambda n: setattr(n, "first", nn.Identity()), lambda n: setattr(n.scale, "requires_grad", False), lambda n: setattr(n, "p", 0.5),
    lambda n: n.register_buffer("more", None), lambda n: delattr(n, "scale")])
def test_a_change_that_matters_to_a_trace_is_announced(change):
    net = Net()
    assert all(p.requires_grad for p in net.parameters())  # in use
    before = fin._core.module_epoch()
    change(net)
    assert fin._core.module_epoch() != before


def test_setting_the_same_value_is_not_announced():
    net = Net()
    before = fin._core.module_epoch()
    net.train()
    net.first = net.first
    assert fin._core.module_epoch() == before


def test_setting_a_flag_back_restores_what_was_announced():
    net, other = Net(), Net()
    assert net.scale.requires_grad
    before = fin._core.module_epoch()
    net.eval()
    other.eval()
    net.requires_grad_(False)
    assert fin._core.module_epoch() != before
    net.train()
    net.requires_grad_(True)
    assert fin._core.module_epoch() != before
    other.train()
    assert fin._core.module_epoch() == before


def test_parameter():
    p = nn.Parameter(fin.ones((2,)))
    assert p.requires_grad and p.is_leaf and isinstance(p, fin.Tensor)
    assert not nn.Parameter(fin.ones((2,)), requires_grad=False).requires_grad
    assert "Parameter" in repr(p)
    assert not isinstance(p * 2, nn.Parameter)
