# SPDX-License-Identifier: Apache-2.0
"""Random programs of views, in-place writes, arithmetic and gradients: the same program in PyTorch and here, deferred and immediate."""
import random

import pytest
from oracle import pair, rand, torch

import tinyfin as fin

SHAPES = [(4, 6), (6, 4), (2, 3, 4), (24,), (1, 5), (3, 1, 2), (0, 3), ()]


class Program:
    """Holds the same tensors twice; each step does one thing to both."""

    def __init__(self, seed, grad):
        self.random = random.Random(seed)
        self.log = []
        shape = self.random.choice(SHAPES[:6] if grad else SHAPES)
        self.leaf = pair(rand(*shape, seed=seed), "float64", grad=grad)
        self.grad = grad
        start = tuple(t * 1.5 for t in self.leaf) if grad else self.leaf
        self.tensors = [start]

    def pick(self):
        return self.random.randrange(len(self.tensors))

    def slice_of(self, shape):
        items = []
        for extent in shape[: self.random.randint(0, len(shape))]:
            kind = self.random.random()
            if kind < 0.25 and extent > 0:
                items.append(self.random.randrange(-extent, extent))
            elif kind < 0.35:
                items.append(None)
                items.append(slice(None))
            else:
                a, b = self.random.randint(-extent - 1, extent + 1), self.random.randint(-extent - 1, extent + 1)
                items.append(slice(self.random.choice([None, a]), self.random.choice([None, b]), self.random.choice([None, 1, 2, 3])))
        if self.random.random() < 0.2:
            items.append(Ellipsis)
        return tuple(items)

    def view(self):
        i = self.pick()
        shape = tuple(self.tensors[i][1].shape)
        kind = self.random.choice(["slice", "slice", "transpose", "reshape", "squeeze", "unsqueeze", "detach", "data"])
        if kind in ("detach", "data") and self.grad and self.random.random() < 0.7:
            kind = "slice"
        if kind == "slice":
            key = self.slice_of(shape)
            step = lambda t: t[key]
        elif kind == "transpose":
            key = self.random.sample(range(len(shape)), len(shape))
            step = lambda t: t.permute(*key) if key else t.permute(())
        elif kind == "reshape":
            key = self.random.choice([(-1,), shape + (1,), (1,) + shape]) if self.tensors[i][1].numel() else shape + (1,)
            if not self.tensors[i][1].is_contiguous():
                return  # PyTorch's reshape would copy
            step = lambda t: t.view(*key)
        elif kind == "squeeze":
            step, key = (lambda t: t.squeeze()), ""
        elif kind == "unsqueeze":
            key = self.random.randint(-len(shape) - 1, len(shape))
            step = lambda t: t.unsqueeze(key)
        elif kind == "detach":
            step, key = (lambda t: t.detach()), ""
        else:
            step, key = (lambda t: t.data), ""
        self.log.append(f"t{len(self.tensors)} = t{i}.{kind}({key})")
        self.tensors.append(tuple(step(t) for t in self.tensors[i]))

    def compute(self):
        i, j = self.pick(), self.pick()
        kind = self.random.choice(["mul", "add", "sin", "clone"])
        self.log.append(f"t{len(self.tensors)} = {kind}(t{i}, t{j})")
        step = {"mul": lambda a, b: a * 0.7, "add": lambda a, b: a + b.sum(), "sin": lambda a, b: a.sin(), "clone": lambda a, b: a.clone()}[kind]
        self.tensors.append(tuple(step(a, b) for a, b in zip(self.tensors[i], self.tensors[j])))

    def write(self):
        i, j = self.pick(), self.pick()
        target, source = self.tensors[i], self.tensors[j]
        kind = self.random.choice(["mul_", "add_", "fill_", "copy_", "setitem", "setitem", "mask"])
        number = round(self.random.uniform(-2, 2), 2)
        key = self.slice_of(tuple(target[1].shape))
        if kind == "mul_":
            step = lambda a, b: a.mul_(number)
        elif kind == "add_":
            step = lambda a, b: a.add_(b.sum())
        elif kind == "fill_":
            step = lambda a, b: a.fill_(number)
        elif kind == "copy_":
            if tuple(source[1].shape) != tuple(target[1].shape):
                return
            step = lambda a, b: a.copy_(b.clone())
        elif kind == "setitem":
            step = lambda a, b: a.__setitem__(key, b.mean() if b.numel() else number) if number < 0 else a.__setitem__(key, number)
        else:
            step = lambda a, b: a.__setitem__(a.detach().clone() > number, number)
        self.log.append(f"t{i}.{kind}({key if kind == 'setitem' else ''} {number} t{j})")
        step(*(pair_side[0] for pair_side in (target, source)))
        step(*(pair_side[1] for pair_side in (target, source)))

    def observe(self):
        i = self.pick()
        self.log.append(f"look at t{i}")
        self.compare(i)

    def compare(self, i):
        ours, theirs = self.tensors[i]
        assert tuple(ours.shape) == tuple(theirs.shape)
        # What was overwritten whole by constants still requires grad in PyTorch, with a gradient of zeros.
        assert theirs.requires_grad or not ours.requires_grad, "requires_grad differs"
        found, wanted = ours.detach().numpy(), theirs.detach().numpy()
        assert abs(found - wanted).max(initial=0.0) <= 1e-9 * max(1.0, abs(wanted).max(initial=0.0)), f"t{i} differs:\n{found}\n{wanted}"

    def run(self, steps):
        for _ in range(steps):
            kind = self.random.choices([self.view, self.compute, self.write, self.observe], [4, 2, 5, 1])[0]
            kind()
        for i in range(len(self.tensors)):
            self.compare(i)
        if self.grad:
            self.backward()

    def backward(self):
        """A function of everything that still wants a gradient; each side walks its own graph."""
        wanted = [i for i, (_, theirs) in enumerate(self.tensors) if theirs.requires_grad]
        if not wanted:
            return
        sums = []
        for side in (0, 1):
            total = 0.0
            for weight, i in enumerate(wanted):
                total = total + (self.tensors[i][side] * (0.3 + weight)).sum()
            sums.append(total)
        self.log.append("backward")
        for total in sums:
            if total.requires_grad:
                total.backward()
        ours, theirs = (leaf.grad for leaf in self.leaf)
        if ours is None:
            assert theirs is None or not theirs.any()
            return
        assert abs(ours.numpy() - theirs.numpy()).max(initial=0.0) <= 1e-9 * max(1.0, abs(theirs.numpy()).max(initial=0.0))


def run_programs(seeds, grad):
    for seed in seeds:
        program = Program(seed, grad)
        try:
            program.run(program.random.randint(4, 14))
        except Exception as error:
            raise AssertionError(f"program {seed}:\n" + "\n".join(program.log)) from error


@pytest.mark.parametrize("block", range(4))
def test_views_and_writes(block, mode):
    run_programs(range(block * 50, block * 50 + 50), grad=False)


@pytest.mark.parametrize("block", range(4))
def test_views_and_writes_with_gradients(block, mode, monkeypatch):
    # PyTorch refuses to differentiate where a saved tensor was written; here nothing saved can change. The programs
    # save only what sin and products with tensors need, so its check is the one thing to avoid: sin of what is written later.
    monkeypatch.setattr(torch.Tensor, "sin", lambda t: torch.sin(t.clone()))
    run_programs(range(1000 + block * 50, 1000 + block * 50 + 50), grad=True)
