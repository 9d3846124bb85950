"""The family file: entries, defaults, sizes, and every way in which it can be wrong."""

import pytest

from unmirage.ask.family import Model, open_backend, read_family
from unmirage.ask.mock import Mock
from unmirage.errors import ScaleError, SettingsError, SourceError, UnmirageError

GOOD = """
family = "mine"
[defaults]
backend = "mock"
skill = 0.25
[[models]]
name = "small"
n_params = 1_000_000
n_tokens = 20_000_000
[[models]]
name = "large"
model = "other-name"
n_params = 4e6
skill = 0.75
loss = 2.5
[models.axes]
depth = 12
"""


@pytest.fixture
def write(tmp_path):
    def made(text):
        path = tmp_path / "family.toml"
        path.write_text(text)
        return path

    return made


def test_entries_and_defaults(write):
    small, large = read_family(write(GOOD))
    assert (small.family, small.name, small.model, small.backend) == ("mine", "small", "small", "mock")
    assert (small.n_params, small.n_tokens, small.flops, small.loss) == (1e6, 2e7, 6 * 1e6 * 2e7, None)
    assert small.options["skill"] == 0.25
    assert large.options["skill"] == 0.75
    assert (large.model, large.flops, large.loss, dict(large.axes)) == (
        "other-name",
        None,
        2.5,
        {"depth": 12},
    )


def test_sizes_of_known_models_need_not_be_given(write):
    (one,) = read_family(
        write('family = "pythia"\n[[models]]\nname = "EleutherAI/pythia-70m"\nrevision = "step1000"\n')
    )
    assert one.n_params == 70_426_624
    assert one.n_tokens == 1000 * 2_097_152
    assert one.backend == "transformers"


def test_paths_are_relative_to_the_file(write, tmp_path):
    (tmp_path / "weights").mkdir()
    text = 'family = "a"\n[[models]]\nname = "x"\nn_params = 1\nmodel = "{}"\n'
    assert read_family(write(text.format("weights")))[0].model == str(tmp_path / "weights")
    assert read_family(write(text.format("org/name")))[0].model == "org/name"


def test_only_what_decides_answers_is_in_the_key(write):
    text = 'family = "a"\n[[models]]\nname = "x"\nn_params = 1\nbackend = "completions"\n{}\n'
    url = 'base_url = "http://localhost:1/v1"\n'
    plain = read_family(write(text.format(url)))[0].deciding
    fast = read_family(write(text.format(url + "concurrency = 2\nretries = 1\nprice_in = 3.0")))[0].deciding
    other = read_family(write(text.format('base_url = "http://localhost:2/v1"')))[0].deciding
    assert plain == fast
    assert plain != other


ENTRY = 'family = "a"\n[[models]]\nname = "x"\nn_params = 1\n'


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("family = ", SourceError, "is not TOML"),
        ('[[models]]\nname = "x"\n', SourceError, "needs a line family"),
        ('family = "a"\n', SourceError, "names no model"),
        ('family = "a"\nmodels = 3\n', SourceError, "names no model"),
        ('family = "a"\nnames = 3\n[[models]]\nname = "x"\n', SourceError, "unknown sections: names"),
        ('family = "a"\ndefaults = 1\n[[models]]\nname = "x"\n', SourceError, "must be a table"),
        ('family = "a"\n[[models]]\nn_params = 1\n', SourceError, "needs a name"),
        ('family = "a"\n[[models]]\nname = "x"\n', ScaleError, "size of x is not known"),
        (ENTRY + '[[models]]\nname = "x"\nn_params = 2\n', SourceError, "two models are called x"),
        (ENTRY + 'backend = "vllm"\n', SourceError, "no backend 'vllm'"),
        (ENTRY + "btach = 3\n", SourceError, "no option 'btach'.*Did you mean batch"),
        (ENTRY + "batch = 0\n", SourceError, "batch must be 1 at least"),
        (ENTRY + 'batch = "many"\n', SourceError, "batch"),
        (ENTRY + "n_tokens = -1\n", SourceError, "n_tokens must be a number above 0"),
        (ENTRY + "loss = true\n", SourceError, "loss must be a number above 0"),
        (ENTRY + "revision = 3\n", SourceError, "revision must be text"),
        (ENTRY + "axes = 3\n", SourceError, "axes must be a table"),
        (ENTRY + 'axes = { a = "b" }\n', SourceError, "a must be a number"),
        (ENTRY + 'backend = "mock"\nskill = 2.0\n', SourceError, "skill must lie between"),
        (ENTRY + 'backend = "chat"\nbase_url = "localhost"\n', SettingsError, "must start with http"),
    ],
)
def test_what_is_wrong_is_said(write, text, error, words):
    with pytest.raises(error, match=f"(?s){words}"):
        read_family(write(text))


@pytest.mark.parametrize("name", ["api_key", "token", "Authorization"])
def test_a_key_in_the_file_is_refused_and_not_repeated(write, name):
    with pytest.raises(UnmirageError, match="must not stand in a file") as caught:
        read_family(write(ENTRY + f'backend = "completions"\n{name} = "sk-secret"\n'))
    assert "sk-secret" not in str(caught.value)
    assert "key_env" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_family(tmp_path / "none.toml")


def test_backends_are_opened_by_name():
    options = {"skill": 0.5, "delay": 0.0, "batch": 8}
    backend = open_backend(Model("a", "x", "mock", "x", n_params=1.0, options=options))
    assert isinstance(backend, Mock)
