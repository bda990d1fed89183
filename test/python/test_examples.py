# SPDX-License-Identifier: Apache-2.0
"""The networks of python/examples do what the same networks in PyTorch do, step by step, from the same weights."""
import pathlib
import sys

import numpy as np
import pytest
from oracle import torch
from processes import run

import tinyfin as fin

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python" / "examples"), str(ROOT / "tools" / "benchmarks")]
import bert_mini  # noqa: E402
import gpt_mini  # noqa: E402
import minilm  # noqa: E402
import resnet18  # noqa: E402
import torch_models  # noqa: E402

STEPS = 5
GPT = gpt_mini.Config(vocabulary=19, context=12, layers=2, width=16, heads=4)
BERT = bert_mini.Config(vocabulary=67, context=12, layers=2, width=16, heads=4, hidden=40)


def copy_weights(ours, theirs):
    """From ours to PyTorch's model; names and shapes must be the same."""
    theirs.load_state_dict({name: torch.from_numpy(value.numpy().copy()) for name, value in ours.state_dict().items()})


def tokens_of(seed, shape, vocabulary):
    return np.random.default_rng(seed).integers(0, vocabulary, shape)


def same_losses(module, ours, theirs, optimizer, torch_optimizer, batches):
    """Trains both on the batches and compares each loss, and the weights at the end."""
    copy_weights(ours, theirs)
    step = module.training_step(ours, optimizer(ours.parameters()))
    update = torch_optimizer(theirs.parameters())
    for x, y in batches:
        update.zero_grad()
        logits = theirs(torch.from_numpy(x))
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), torch.from_numpy(y).reshape(-1))
        loss.backward()
        update.step()
        assert step(fin.from_numpy(x), fin.from_numpy(y)).item() == pytest.approx(loss.item(), rel=1e-4, abs=1e-5)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)
    assert step.cache_info() == {"hits": len(batches) - 2, "signatures": 1, "demoted": 0}


def adamw(library):
    return lambda parameters: library.AdamW(parameters, lr=1e-3)


def test_gpt_trains_as_in_torch():
    batches = [(tokens_of(i, (3, 12), 19), tokens_of(100 + i, (3, 12), 19)) for i in range(STEPS)]
    same_losses(gpt_mini, gpt_mini.GPT(GPT), torch_models.GPT(GPT), adamw(fin.optim), adamw(torch.optim), batches)


def test_bert_trains_as_in_torch():
    batches = [(tokens_of(i, (3, 12), 67), tokens_of(100 + i, (3, 12), 67)) for i in range(STEPS)]
    same_losses(bert_mini, bert_mini.BERT(BERT), torch_models.BERT(BERT), adamw(fin.optim), adamw(torch.optim), batches)


def test_resnet18_trains_as_in_torch():
    def sgd(library):
        return lambda parameters: library.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=5e-4)
    widths = (4, 6, 8, 10)
    batches = [resnet18.striped_images(np.random.default_rng(i), 6, size=16) for i in range(STEPS)]
    same_losses(resnet18, resnet18.ResNet18(10, widths), torch_models.ResNet18(10, widths), sgd(fin.optim), sgd(torch.optim), batches)


def test_minilm_embeds_as_in_torch():
    ours, theirs = minilm.MiniLM(BERT), torch_models.MiniLM(BERT)
    copy_weights(ours, theirs)
    embed = minilm.embedder(ours)
    for seed in range(3):
        tokens = tokens_of(seed, (4, 9), 67)
        found = embed(fin.from_numpy(tokens)).numpy()
        with torch.no_grad():
            np.testing.assert_allclose(found, theirs(torch.from_numpy(tokens)).numpy(), rtol=1e-4, atol=1e-5)


def test_minilm_ignores_what_the_mask_hides():
    model = minilm.MiniLM(BERT)
    embed = minilm.embedder(model)
    tokens, mask = tokens_of(0, (2, 9), 67), np.ones((2, 9), "int64")
    mask[:, 6:] = 0
    short = embed(fin.from_numpy(tokens[:, :6].copy())).numpy()
    np.testing.assert_allclose(embed(fin.from_numpy(tokens), fin.from_numpy(mask)).numpy(), short, rtol=1e-4, atol=1e-5)
    assert np.abs(embed(fin.from_numpy(tokens)).numpy() - short).max() > 1e-3


def test_gpt_tokens_are_characters():
    text = "def f(x):\n    return x"
    assert gpt_mini.decode(gpt_mini.encode(text)) == text
    assert gpt_mini.decode(gpt_mini.encode("é")) == "?"


def test_a_script_runs_by_itself_and_its_loss_falls():
    done = run(sys.executable, ROOT / "python" / "examples" / "gpt_mini.py", "--steps", "4", "--batch", "1", clean=True,
               PYTHONPATH=str(pathlib.Path(fin.__file__).parents[1]))
    losses = [float(line.split("loss")[1].split()[0]) for line in done.stdout.splitlines() if line.startswith("step")]
    assert len(losses) == 4 and losses[-1] < losses[0] - 0.5
