# SPDX-License-Identifier: Apache-2.0
"""State that a jitted function reads and writes: modules, captured tensors, views, gradients, Python values it depends on."""
import warnings

import numpy as np
import pytest
from oracle import rand

import tinyfin as fin
from tinyfin import nn, optim
from tinyfin.nn import functional as F

GLOBAL_NUMBER = 2.0


def values(*shape, seed=0):
    array = rand(*shape, seed=seed, dtype="float32")
    return array, fin.from_numpy(array)


def hits(jitted, call):
    """(what the call returns, whether it ran without Python)."""
    before = jitted.cache_info()["hits"]
    return call(), jitted.cache_info()["hits"] > before


# Modules -----------------------------------------------------------------------------------------------------------


def test_train_and_eval():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    twin = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    twin.load_state_dict(model.state_dict())
    f = fin.jit(lambda x: model(x).detach(), fullgraph=True)
    python = []
    for i in range(8):
        for m in (model, twin):
            m.train(i % 2 == 0)
        _, x = values(6, 1, 5, 5, seed=i)
        fin.manual_seed(i)
        wanted = twin(x).numpy()
        fin.manual_seed(i)
        found, quick = hits(f, lambda: f(x))
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)
        python.append(not quick)
    for name, value in twin.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name].numpy(), value.numpy(), rtol=1e-5)
    assert python == [True] * 4 + [False] * 4, "toggling back to a mode that is known needs no Python"
    assert f.cache_info()["signatures"] == 2


def test_toggling_another_module_costs_no_variant():
    model, other = nn.Linear(2, 2), nn.Dropout(0.5)
    f = fin.jit(lambda x: model(x), fullgraph=True)
    with fin.no_grad():
        for i in range(12):
            other.train(i % 2 == 0)
            f(fin.ones(1, 2))
    assert f.cache_info() == {"hits": 10, "signatures": 1, "demoted": 0}


def test_replaced_submodule_and_parameter():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    f = fin.jit(lambda x: model(x), fullgraph=True)
    with fin.no_grad():
        for i in range(12):
            if i == 4:
                setattr(model, "1", nn.Linear(3, 5))
            if i == 8:
                model[0].weight = nn.Parameter(fin.ones(3, 3))
            _, x = values(2, 3, seed=i)
            np.testing.assert_allclose(f(x).numpy(), model(x).numpy(), rtol=1e-5)
    assert f.cache_info() == {"hits": 6, "signatures": 3, "demoted": 0}


def test_a_parameter_that_comes_later():
    class Grows(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(fin.tensor(2.0))
            self.shift = None

        def forward(self, x):
            return x * self.scale if self.shift is None else x * self.scale + self.shift

    model = Grows()
    f = fin.jit(model, fullgraph=True)
    with fin.no_grad():
        assert [f(fin.tensor(1.0 * i)).item() for i in range(4)] == [0, 2, 4, 6]
        model.shift = nn.Parameter(fin.tensor(10.0))
        assert [f(fin.tensor(1.0 * i)).item() for i in range(4)] == [10, 12, 14, 16]
        model.shift.fill_(20)
        assert f(fin.tensor(1.0)).item() == 22
        model.shift = None
        assert [f(fin.tensor(1.0 * i)).item() for i in range(4)] == [0, 2, 4, 6]


def test_requires_grad_toggles():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        opt.zero_grad()
        model(x).square().mean().backward()
        opt.step()

    f = fin.jit(step, fullgraph=True)
    for i in range(9):
        model[0].requires_grad_(i % 6 < 3)
        before = model[0].weight.numpy().copy(), model[1].weight.numpy().copy()
        f(values(4, 3, seed=i)[1])
        moved = [not np.array_equal(old, layer.weight.numpy()) for old, layer in zip(before, model)]
        assert moved == [i % 6 < 3, True]
    assert f.cache_info() == {"hits": 5, "signatures": 2, "demoted": 0}


def test_a_module_attribute_that_the_body_sets():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    model = Counts()
    f = fin.jit(lambda x: model(x))
    assert [f(fin.tensor(1.0)).item() for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    assert model.calls == 6
    assert "attribute" in f.explain()[0]["demoted"] or "number" in f.explain()[0]["demoted"]


def test_eval_inside_the_body():
    model = nn.Dropout(0.5)

    @fin.jit
    def evaluate(x):
        model.eval()
        return model(x)

    for i in range(8):
        model.train()
        assert evaluate(fin.ones(16)).tolist() == [1.0] * 16
        assert model.training is False


# Python values -----------------------------------------------------------------------------------------------------


def test_a_global_number_is_a_guard():
    global GLOBAL_NUMBER
    f = fin.jit(lambda x: x * GLOBAL_NUMBER, fullgraph=True)
    for number in (2.0, 2.0, 2.0, 5.0, 5.0, 5.0, 2.0, 5.0, 7.0):
        GLOBAL_NUMBER = number
        assert f(fin.tensor(3.0)).item() == 3 * number
    assert f.cache_info() == {"hits": 4, "signatures": 3, "demoted": 0}


def test_a_closure_number_is_a_guard():
    number = 2.0
    f = fin.jit(lambda x: x * number, fullgraph=True)
    for number in (2.0, 2.0, 2.0, 5.0, 5.0, 5.0, 2.0, 5.0, 7.0):  # noqa: B007
        assert f(fin.tensor(3.0)).item() == 3 * number
    assert f.cache_info()["signatures"] == 3


def helper(x):
    return x * GLOBAL_NUMBER


def test_a_global_of_a_called_function_is_a_guard():
    global GLOBAL_NUMBER
    number = 1.0
    inner = lambda x: helper(x) + number  # noqa: E731
    f = fin.jit(lambda x: sum([inner(y) for y in (x, x)]), fullgraph=True)
    for GLOBAL_NUMBER, number in ((2.0, 1.0),) * 3 + ((3.0, 1.0),) * 3 + ((3.0, 4.0),) * 3 + ((2.0, 1.0),):  # noqa: B007
        assert f(fin.tensor(3.0)).item() == 2 * (3 * GLOBAL_NUMBER + number)
    assert f.cache_info()["hits"] >= 4


def test_a_tensor_in_a_closure_that_is_replaced():
    w = fin.tensor(2.0)
    f = fin.jit(lambda x: x * w, fullgraph=True)
    assert [f(fin.tensor(1.0 * i)).item() for i in range(4)] == [0, 2, 4, 6]
    w = fin.tensor(5.0)
    assert [f(fin.tensor(1.0 * i)).item() for i in range(4)] == [0, 5, 10, 15]


class Plain:
    def __init__(self):
        self.scale = 2.0
        self.options = {"shift": 1.0}


def test_attributes_of_plain_objects_are_guards():
    state = Plain()
    f = fin.jit(lambda x: x * state.scale + state.options["shift"], fullgraph=True)
    for scale, shift in ((2.0, 1.0),) * 3 + ((3.0, 1.0),) * 3 + ((3.0, 7.0),) * 3:
        state.scale, state.options["shift"] = scale, shift
        assert f(fin.tensor(3.0)).item() == 3 * scale + shift


def test_a_number_that_nobody_guards_demotes_at_the_second_call():
    numbers = iter(range(100))
    f = fin.jit(lambda x: x + next(numbers))
    assert [f(fin.tensor(0.0)).item() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert "number changed" in f.explain()[0]["demoted"] and "test_jit_state.py" in f.explain()[0]["demoted"]


# Captured tensors --------------------------------------------------------------------------------------------------


def test_cells_read_written_and_both():
    read, written, both = fin.tensor([1.0]), fin.tensor([2.0]), fin.tensor([3.0])

    @fin.jit(fullgraph=True)
    def f(x):
        written.copy_(x * 2)
        both.add_(read + written)

    for i in range(5):
        old = both.item()
        read.fill_(float(i))
        f(fin.tensor([float(i)]))
        assert written.item() == 2 * i and both.item() == old + i + 2 * i
    assert f.cache_info()["hits"] == 3


def test_values_held_across_steps_stay():
    p = nn.Parameter(fin.tensor([1.0, 1.0]))
    opt = optim.SGD([p], lr=1.0)

    @fin.jit(fullgraph=True)
    def step():
        opt.zero_grad()
        p.sum().backward()
        opt.step()

    kept = []
    for i in range(6):
        kept.append((p.clone(), p.numpy(), p.detach() + 0))
        live = p.detach()
        step()
        assert live.tolist() == p.tolist() == [-float(i)] * 2  # a view follows
    for i, copies in enumerate(kept):
        assert [c.tolist() for c in copies] == [[1.0 - i] * 2] * 3


def test_moving_averages():
    """`ema.copy_(p)` makes two cells of one value."""
    p, ema, last = (fin.tensor([1.0, 2.0]) for _ in range(3))

    @fin.jit(fullgraph=True)
    def step(x):
        last.copy_(p)
        p.add_(x)
        ema.copy_(ema * 0.5 + p * 0.5)

    a = [np.array([1.0, 2.0])] * 3
    for i in range(6):
        if i == 4:
            ema.copy_(p)
            a[1] = a[0]
        step(fin.tensor([1.0 * i, 1.0]))
        new = a[0] + [1.0 * i, 1.0]
        a = [new, a[1] * 0.5 + new * 0.5, a[0]]
        for found, wanted in zip((p, ema, last), a):
            np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)
    assert step.cache_info()["hits"] == 4


def test_a_copy_that_ties_two_cells_before_the_first_call():
    p, q = fin.tensor([1.0]), fin.tensor([0.0])
    q.copy_(p)

    @fin.jit(fullgraph=True)
    def step():
        p.add_(1)
        q.mul_(3)

    for i in range(5):
        step()
        assert p.item() == 2 + i and q.item() == 3 ** (i + 1)
        if i == 3:
            q.copy_(p * 0 + 3.0 ** 4)


def test_views_of_parameters():
    w = nn.Parameter(fin.from_numpy(np.arange(6, dtype="float32").reshape(2, 3)))
    transposed, row = w.T, w.detach()[1]
    opt = optim.SGD([w], lr=1.0)

    @fin.jit(fullgraph=True)
    def step(x):
        with fin.no_grad():
            before = x @ transposed.detach()
        opt.zero_grad()
        w.sum().backward()
        opt.step()
        return before, row * 1

    a = np.arange(6, dtype="float32").reshape(2, 3)
    x = fin.ones(1, 3)
    for _ in range(5):
        before, after = step(x)
        np.testing.assert_allclose(before.numpy(), np.ones((1, 3)) @ a.T)
        a = a - 1
        np.testing.assert_allclose(after.numpy(), a[1])
        np.testing.assert_allclose(transposed.detach().numpy(), a.T)
    assert step.cache_info()["hits"] == 3


def test_writes_through_a_view():
    base = fin.zeros(3, 2)
    row = base[1]

    @fin.jit(fullgraph=True)
    def f(x):
        row.add_(x)
        base[2] = x * 2

    for i in range(5):
        f(fin.tensor([1.0, 10.0]))
        assert base.tolist() == [[0, 0], [1.0 + i, 10.0 + 10 * i], [2, 20]]
        assert row.tolist() == [1.0 + i, 10.0 + 10 * i]


def test_writes_to_an_argument():
    f = fin.jit(lambda x: x.add_(1), fullgraph=True)
    for i in range(5):
        x = fin.tensor([float(i)])
        view = x[0]
        assert f(x) is x and x.item() == i + 1 and view.item() == i + 1


# Gradients ---------------------------------------------------------------------------------------------------------


def test_gradients_accumulate_over_calls():
    p = nn.Parameter(fin.tensor([1.0, 2.0]))
    f = fin.jit(lambda x: (p * x).sum().backward(), fullgraph=True)
    total = np.zeros(2)
    for i in range(10):
        if i % 5 == 0:
            p.grad = None
            total = np.zeros(2)
        a, x = values(2, seed=i)
        f(x)
        total = total + a
        np.testing.assert_allclose(p.grad.numpy(), total, rtol=1e-5)
    assert f.cache_info()["demoted"] == 0 and f.cache_info()["signatures"] == 2


def test_accumulation_with_a_step_every_other_call():
    def run(wrap):
        p = nn.Parameter(fin.tensor([1.0, 2.0]))
        opt = optim.SGD([p], lr=0.1, momentum=0.9)

        def step(x, last):
            (p * x).square().sum().backward()
            if last:
                opt.step()
                opt.zero_grad()

        step = wrap(step)
        for i in range(12):
            step(values(2, seed=i)[1], i % 3 == 2)
        return p.numpy()

    np.testing.assert_allclose(run(fin.jit(fullgraph=True)), run(lambda f: f), rtol=1e-6)


def test_zero_grad_without_none():
    p = nn.Parameter(fin.tensor([1.0]))
    opt = optim.SGD([p], lr=0.5)

    @fin.jit(fullgraph=True)
    def step():
        opt.zero_grad(set_to_none=False)
        (p * 2).sum().backward()
        opt.step()

    for i in range(5):
        step()
        assert p.item() == 1 - (i + 1)


def test_a_gradient_that_the_step_used_up_says_how_to_keep_it():
    p = nn.Parameter(fin.tensor([1.0]))
    opt = optim.SGD([p], lr=0.5)

    @fin.jit(fullgraph=True)
    def step():
        opt.zero_grad()
        (p * 2).sum().backward()
        opt.step()

    for _ in range(3):
        step()
        with pytest.warns(UserWarning, match="return it"):
            assert p.grad is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.zero_grad()
        assert p.grad is None  # the user's own doing: no reason to warn


def test_a_gradient_that_is_returned():
    p = nn.Parameter(fin.tensor([1.0]))
    opt = optim.SGD([p], lr=0.5)

    @fin.jit(fullgraph=True)
    def step(x):
        opt.zero_grad()
        (p * x).sum().backward()
        opt.step()
        return p.grad

    kept = [step(fin.tensor([float(i)])) for i in range(5)]
    assert [g.item() for g in kept] == [0, 1, 2, 3, 4]


def test_a_gradient_made_inside_is_kept_without_a_step():
    p, x = nn.Parameter(fin.tensor([1.0])), fin.tensor([2.0], requires_grad=True)

    @fin.jit(fullgraph=True)
    def f(x):
        p.grad = None
        x.grad = None
        loss = (p * x).sum()
        loss.backward()
        return loss.detach()

    for i in range(5):
        p.detach().fill_(float(i))
        assert f(x).item() == 2 * i
        assert p.grad.item() == 2 and x.grad.item() == i
        held = p.grad
        f(x)
        assert held.item() == 2 and held is not p.grad


def test_the_step_outside():
    model = nn.Linear(3, 1)
    opt = optim.AdamW(model.parameters(), lr=0.1)

    @fin.jit(fullgraph=True)
    def gradients(x, y):
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss.detach()

    _, x = values(8, 3)
    _, y = values(8, 1, seed=5)
    losses = []
    for _ in range(20):
        opt.zero_grad()
        losses.append(gradients(x, y).item())
        opt.step()
    assert losses[-1] < losses[0] * 0.7
    assert gradients.cache_info()["demoted"] == 0 and gradients.cache_info()["signatures"] == 1


def test_grad_mode_is_part_of_the_signature():
    p = nn.Parameter(fin.tensor([1.0]))
    f = fin.jit(lambda: (fin.is_grad_enabled(), (p * 2).detach())[0])
    for _ in range(3):
        assert f() is True
        with fin.no_grad():
            assert f() is False


# Failures ----------------------------------------------------------------------------------------------------------


def test_a_label_out_of_range_names_the_line_and_leaves_the_state():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3))
    opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @fin.jit(fullgraph=True)
    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)  # the line that fails
        loss.backward()
        opt.step()
        return loss

    good = fin.tensor([[0, 1], [2, 3]]), fin.tensor([0, 2])
    line = next(i for i, text in enumerate(open(__file__), 1) if "# the line that fails" in text)
    for bad in ((fin.tensor([[0, 1], [2, 3]]), fin.tensor([0, 3])), (fin.tensor([[0, 1], [2, 9]]), fin.tensor([0, 2]))):
        for _ in range(2):
            step(*good)
            before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
            with pytest.raises(IndexError, match=f"test_jit_state.py:{line}" if bad[0].tolist()[1][1] == 3 else "."):
                step(*bad)
            for name, value in model.state_dict().items():
                np.testing.assert_array_equal(value.numpy(), before[name])
    first = step(*good).item()
    assert step(*good).item() < first
    assert step.cache_info()["demoted"] == 0


def test_a_body_that_raises_now_and_then():
    p = fin.tensor([1.0])
    wrong = False

    @fin.jit(fullgraph=True)
    def step(x):
        p.add_(x)
        if wrong:
            raise LookupError("asked for")
        p.mul_(2)
        return p + 0

    wrong = True
    with pytest.raises(LookupError):
        step(fin.tensor([1.0]))
    assert p.item() == 2  # as in eager code
    wrong = False
    assert [step(fin.tensor([1.0])).item() for _ in range(4)] == [6, 14, 30, 62]
    wrong = True
    with pytest.raises(LookupError):
        step(fin.tensor([1.0]))
    assert p.item() == 63
    wrong = False
    assert step(fin.tensor([1.0])).item() == 128


def test_ctrl_c_inside():
    p = fin.tensor([1.0])
    pressed = True

    @fin.jit(fullgraph=True)
    def step():
        p.add_(1)
        if pressed:
            raise KeyboardInterrupt
        return p * 1

    with pytest.raises(KeyboardInterrupt):
        step()
    pressed = False
    assert [step().item() for _ in range(4)] == [3, 4, 5, 6]


def test_backward_outside_matches_eager():
    """Forward jitted, loss and backward outside: the split graphs give the same gradients, also behind outer history."""

    def gradients(wrap):
        fin.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Dropout(0.3), nn.Linear(5, 2))
        call = wrap(model)
        found = []
        for i in range(4):
            model.zero_grad()
            x = fin.full((3, 6), 0.5 + i, requires_grad=True)
            ((call(x * 2) ** 2).sum() * 0.5).backward()
            found.append([x.grad.numpy(), *(p.grad.numpy() for p in model.parameters())])
        return found

    for eager, jitted in zip(gradients(lambda model: model), gradients(fin.jit)):
        for a, b in zip(eager, jitted):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def decayed(disabled):
    """A tensor of 1e-36 after 20 jitted halvings, and the logarithm of one denormal number."""
    fin.cache_clear()
    fin._core.set_config("TINYFIN_DISABLE", disabled)
    try:
        state = fin.full((64,), 1e-36)

        @fin.jit
        def halve(small):
            state.mul_(0.5)
            return small.log()

        for _ in range(20):
            logarithm = halve(fin.full((64,), 1e-40))
        return state.numpy(), logarithm.numpy()
    finally:
        fin._core.set_config("TINYFIN_DISABLE", "")


def test_state_that_decays_ends_in_zeros():
    # Denormal numbers, as averages of gradients that are 0 become, would make each later step many times slower.
    state, logarithm = decayed("")
    assert (state == 0).all()
    kept, same = decayed("flush-denormals")
    np.testing.assert_allclose(kept, np.float32(1e-36 * 2.0**-20), rtol=1e-2)
    # Denormal operands are what they are, in both.
    np.testing.assert_allclose(logarithm, np.log(np.float32(1e-40)), rtol=1e-6)
    np.testing.assert_array_equal(logarithm, same)
