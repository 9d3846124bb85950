"""The command and the function: files, errors, the page."""

import polars as pl
import pytest

from unmirage import tables
from unmirage.cli import main
from unmirage.errors import OutputError, SettingsError
from unmirage.paper import FIGURES, reproduce, three
from unmirage.paper.figure import NUMBERS
from unmirage.paper.reproduce import chosen
from unmirage.report import charts


@pytest.fixture(autouse=True)
def few_strings(monkeypatch):
    monkeypatch.setattr(three, "MODEL_ITEMS", 100)


@pytest.fixture(scope="module")
def source(family, tmp_path_factory):
    path = tmp_path_factory.mktemp("family") / "family.parquet"
    family.filter(pl.col("task") == "addition").write_parquet(path)
    return path


@pytest.fixture
def untested(monkeypatch):
    """No predictions, which take most of the time."""
    monkeypatch.setattr(three, "every", lambda *_: tables.empty(tables.PREDICTIONS))


def test_files_are_written(source, tmp_path, capsys):
    out = tmp_path / "deep" / "paper"
    assert main(["reproduce", "fig3", "fig2", "--out", str(out), "--source", str(source)]) == 0
    names = {path.name for path in out.iterdir()}
    pictures = {f"{name}.{kind}" for name in ("fig2", "fig3") for kind in ("png", "svg", "csv")}
    assert names == {*pictures, "predictions.csv", "index.md"}
    assert (out / "fig2.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "fig3.svg").read_text().startswith("<svg")
    assert pl.read_csv(out / "fig2.csv").columns == list(NUMBERS)
    predictions = pl.read_csv(out / "predictions.csv")
    assert predictions.columns == list(tables.PREDICTIONS)
    assert set(predictions["family"]) == {three.MODEL, "arithmetic", three.GPT3}
    assert set(predictions["prediction"]) == set(three.PREDICTIONS)
    page = (out / "index.md").read_text()
    assert page.index("![fig2](fig2.png)") < page.index("![fig3](fig3.png)")
    assert "Erratum E7" in page
    printed = capsys.readouterr().out
    assert str(out / "index.md") in printed.replace("\n", "")
    assert "not confirmed" in printed
    assert "fig2" in printed


@pytest.fixture
def vision(lenet, autoencoder, omniglot, tmp_path):
    """The options that name the vision families, the autoencoders' reference in a file of its own."""
    reference = pl.col("family") == "pca"
    tables_ = {
        "lenet": [lenet],
        "autoencoder": [autoencoder.filter(~reference), autoencoder.filter(reference)],
        "omniglot": [omniglot],
    }
    options = []
    for name, frames in tables_.items():
        for place, frame in enumerate(frames):
            path = tmp_path / f"{name}{place}.parquet"
            frame.select(c for c in frame if c.null_count() < frame.height).write_parquet(path)
            options += [f"--{name}", str(path)]
    return options


@pytest.mark.usefixtures("untested")
def test_vision_families_are_drawn(source, vision, tmp_path, capsys):
    out = tmp_path / "paper"
    names = ["fig11", "fig8", "fig7"]
    assert main(["reproduce", *names, "--out", str(out), "--source", str(source), *vision]) == 0
    page = (out / "index.md").read_text()
    assert page.index("![fig7](fig7.png)") < page.index("![fig8](fig8.png)") < page.index("![fig11](")
    for name in names:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert pl.read_csv(out / f"{name}.csv").columns == list(NUMBERS)
    assert "linear reference" in page
    assert "The audit's verdict on" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("option", ["--lenet", "--autoencoder", "--omniglot"])
def test_a_family_that_a_figure_cannot_draw_is_refused(source, option, tmp_path, capsys):
    name = {"--lenet": "fig11", "--autoencoder": "fig7", "--omniglot": "fig8"}[option]
    out = tmp_path / "out"
    assert main(["reproduce", name, "--out", str(out), option, str(source)]) == 2
    assert "train" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.usefixtures("untested")
def test_the_same_seed_gives_the_same_bytes(source, tmp_path):
    seen = []
    for name in ("a", "b"):
        made = reproduce(["fig4"], tmp_path / name, source, seed=3)
        seen.append({path.name: path.read_bytes() for path in made.index.parent.iterdir()})
    assert seen[0] == seen[1]


def test_unknown_figures_are_refused(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["reproduce", "fig2", "fig33", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "fig33" in said
    assert "Do you mean fig3?" in said
    assert not out.exists()


def test_a_source_that_is_not_there_is_refused(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["reproduce", "fig2", "--out", str(out), "--source", str(tmp_path / "no")]) == 2
    assert "no" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.usefixtures("untested")
def test_nothing_is_left_where_a_picture_fails(family, tmp_path, monkeypatch):
    real, calls = charts.render, []

    def broken(spec, fmt, theme="light"):
        calls.append(fmt)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(spec, fmt, theme)

    monkeypatch.setattr(charts, "render", broken)
    with pytest.raises(OutputError, match="No space left"):
        reproduce(["fig2"], tmp_path / "out", family)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("untested")
def test_a_folder_that_is_a_file_is_refused(family, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError):
        reproduce(["fig2"], tmp_path / "out", family)
    assert (tmp_path / "out").read_text() == "mine"


def test_chosen_figures():
    assert chosen(()) == chosen(["all"]) == chosen(["fig9", "all"]) == list(FIGURES)
    assert chosen(["fig9", "fig2", "fig9"]) == ["fig2", "fig9"]
    with pytest.raises(SettingsError, match="fig11, all"):
        chosen(["figure 2"])


@pytest.mark.usefixtures("untested")
def test_names_of_a_source_cannot_mark_the_page(family, tmp_path):
    named = family.filter(pl.col("task") == "addition", pl.col("n_params") > 5e4).with_columns(
        family=pl.lit("a|b<script>[x](y)")
    )
    made = reproduce(["fig3"], tmp_path, named)
    page = made.index.read_text()
    assert "<script" not in page.replace("\\<", "")
    assert "a\\|b\\<script\\>\\[x\\](y)" in page
