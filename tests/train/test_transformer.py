"""The model against transformers' own, the optimiser against PyTorch's, and linear algebra."""

import copy

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from unmirage.train import checkpoints  # noqa: E402
from unmirage.train.arithmetic import WIDTHS, shape  # noqa: E402
from unmirage.train.muon import Muon, orthogonal  # noqa: E402
from unmirage.train.problems import SYMBOLS  # noqa: E402
from unmirage.train.transformer import Transformer  # noqa: E402


@pytest.fixture
def trained(tmp_path):
    """A model whose head is not zero, saved."""
    model = Transformer(shape(24), seed=3)
    with torch.no_grad():
        model.lm_head.weight.normal_(generator=torch.Generator().manual_seed(1))
    checkpoints.save(model, tmp_path / "model")
    return model.eval(), tmp_path / "model"


def test_transformers_loads_a_checkpoint_and_gives_the_same_logits(trained):
    model, folder = trained
    other = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokens = torch.randint(0, 16, (5, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(other(tokens).logits, model(tokens), atol=1e-5)
    assert sum(p.numel() for p in other.parameters()) == model.shape.parameters + 2 * 16 * 24


def test_the_tokenizer_has_one_token_a_symbol(trained):
    tokenizer = transformers.AutoTokenizer.from_pretrained(trained[1])
    line = "\n12*34=408\n5*60="
    ids = tokenizer(line)["input_ids"]
    assert ids == [SYMBOLS.index(s) for s in line]
    assert tokenizer.decode(ids) == line
    assert tokenizer.eos_token == "\n"


def test_a_checkpoint_comes_back_as_it_was(trained):
    model, folder = trained
    again = checkpoints.load(folder)
    assert again.shape == model.shape
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_a_token_does_not_look_ahead(trained):
    model, _ = trained
    tokens = torch.randint(0, 14, (1, 20), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 12] = (changed[0, 12] + 1) % 14
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    assert torch.equal(before[0, :12], after[0, :12])
    assert not torch.equal(before[0, 12], after[0, 12])


def test_parameters_are_those_of_the_blocks():
    for width in WIDTHS:
        model = Transformer(shape(width))
        assert (
            sum(p.numel() for p in model.model.layers.parameters()) == model.shape.parameters == 48 * width**2
        )
        assert width / model.shape.heads % 2 == 0
    assert shape(WIDTHS[-1]).parameters / shape(WIDTHS[0]).parameters > 1000


@pytest.mark.parametrize("size", [(3, 8, 8), (2, 32, 8), (2, 8, 32)])
def test_orthogonal_keeps_singular_vectors_and_levels_singular_values(size):
    x = torch.randn(size, generator=torch.Generator().manual_seed(0))
    y = orthogonal(x)
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    inside = u.mT @ y @ v.mT
    values = torch.diagonal(inside, dim1=-2, dim2=-1)
    assert torch.allclose(inside, torch.diag_embed(values), atol=1e-4)
    assert values.min() > 0.3
    assert values.max() < 1.3


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon (2.9 and newer)")
@pytest.mark.parametrize("size", [(16, 16), (64, 16), (16, 64)])
def test_muon_steps_as_torch_does_up_to_its_bfloat16(size):
    mine = torch.nn.Parameter(torch.randn(size, generator=torch.Generator().manual_seed(0)))
    theirs = copy.deepcopy(mine)
    optimisers = [
        Muon([mine], lr=0.02, weight_decay=0.1),
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1),
    ]
    for step in range(3):
        grad = torch.randn(size, generator=torch.Generator().manual_seed(step + 1))
        before = mine.detach().clone()
        for p, optimiser in zip((mine, theirs), optimisers, strict=True):
            p.grad = grad.clone()
            optimiser.step()
        moved = (mine - before).norm()
        assert (mine - theirs).norm() < 0.03 * (step + 1) * moved
