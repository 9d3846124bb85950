"""The commands that train families. `cli_families` takes them over; nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from unmirage.cli_console import progress_line
from unmirage.cli_options import FAMILY, OUTPUT, _option
from unmirage.cli_running import LongEngineOptions

if TYPE_CHECKING:
    from unmirage.train.vision.train import Name

app = App(name="train", help="Train a family of models that everything can be checked on.")
FOLDER = Parameter(group=OUTPUT, help="Folder for models, responses.parquet, recipe.json and images.npz.")


@Parameter(name="*")
@dataclass
class ArithmeticOptions:
    """The arithmetic family that is trained."""

    widths: Annotated[
        tuple[int, ...],
        _option(FAMILY, "A width of models; by default fourteen, 768 to 1.8 million parameters.", many=True),
    ] = ()
    seeds: Annotated[int, _option(FAMILY, "Models of each width, with seeds 0, 1, ...")] = 3
    steps: Annotated[int | None, _option(FAMILY, "Of the training; by default the recipe's.")] = None
    quick: Annotated[
        bool,
        Parameter(
            group=FAMILY,
            negative=(),
            help="Two tiny models, few steps: under a minute, to see that it works.",
        ),
    ] = field(default=False)
    device: Annotated[Literal["cpu", "cuda"], _option(FAMILY, "Where the models are trained.")] = "cpu"
    quiet: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Print the path of the responses only.")
    ] = field(default=False)

    def arguments(self) -> dict[str, Any]:
        """As arguments of the API."""
        return {
            "widths": self.widths or None,
            "seeds": range(self.seeds),
            "steps": self.steps,
            "quick": self.quick,
            "device": self.device,
        }


@Parameter(name="*")
@dataclass
class VisionOptions:
    """The family of networks on images that is trained."""

    data: Annotated[
        str,
        _option(
            FAMILY,
            "digits (scikit-learn's), an .npz file, a folder of MNIST's IDX files or of CIFAR's pickles, or "
            "hub:NAME (needs `unmirage[datasets]`).",
        ),
    ] = "digits"
    sizes: Annotated[tuple[int, ...], _option(FAMILY, "A size of models; by default all.", many=True)] = ()
    seeds: Annotated[int, _option(FAMILY, "Models of each size, with seeds 0, 1, ...")] = 3
    steps: Annotated[int | None, _option(FAMILY, "Of the training; by default the recipe's.")] = None
    quick: Annotated[
        bool,
        Parameter(group=FAMILY, negative=(), help="Few sizes, few steps: seconds, to see that it works."),
    ] = field(default=False)
    device: Annotated[Literal["cpu", "cuda"], _option(FAMILY, "Where the models are trained.")] = "cpu"
    quiet: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Print the path of the responses only.")
    ] = field(default=False)

    def arguments(self) -> dict[str, Any]:
        """As arguments of the API."""
        return {
            "data": self.data,
            "sizes": self.sizes or None,
            "seeds": range(self.seeds),
            "steps": self.steps,
            "quick": self.quick,
            "device": self.device,
        }


@app.command(usage="Usage: unmirage train arithmetic [OPTIONS]")
def arithmetic(
    *,
    out: Annotated[
        Path, Parameter(group=OUTPUT, help="Folder for models, responses.parquet and checkpoints.parquet.")
    ] = Path("unmirage-arithmetic"),
    options: ArithmeticOptions | None = None,
    running: LongEngineOptions | None = None,
) -> None:
    """Train transformers of many sizes to multiply and to add, and collect their answers.

    The paper's two tasks: products of two 2-digit and sums of two 4-digit
    integers, two examples in each prompt. Every model is kept as checkpoints
    that transformers loads. responses.parquet holds the answers of the last
    checkpoints at temperature 0 and 1 (tasks NAME and NAME_t1), and
    checkpoints.parquet those along the training:

        unmirage audit unmirage-arithmetic/responses.parquet
        unmirage audit unmirage-arithmetic/checkpoints.parquet --axis n_tokens

    Needs PyTorch: pip install 'unmirage[models]'. The same command goes on
    where it was interrupted.
    """
    from unmirage.train.arithmetic import train_arithmetic

    options = options or ArithmeticOptions()
    with (running or LongEngineOptions()).started() as engine, progress_line(options.quiet) as progress:
        try:
            responses, _ = train_arithmetic(out, **options.arguments(), engine=engine, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what is done is in {out}, and the same command goes on") from None
    print(responses if options.quiet else f"The responses are in {responses}")


@app.command(usage="Usage: unmirage train lenet [OPTIONS]")
def lenet(
    *,
    out: Annotated[Path, FOLDER] = Path("unmirage-lenet"),
    options: VisionOptions | None = None,
    running: LongEngineOptions | None = None,
) -> None:
    """Train small convolutional networks of many sizes to label images.

    Sizes are units of the bottleneck: 6283 size + 264 parameters on MNIST,
    1 to 64 units by default, as in the paper's figure 11. The data must have
    labels and be grey.

        unmirage train lenet --data mnist.npz
        unmirage audit unmirage-lenet/responses.parquet

    Needs PyTorch: pip install 'unmirage[models]'. The same command goes on
    where it was interrupted.
    """
    _vision("lenet", out, options, running)


@app.command(usage="Usage: unmirage train autoencoder [OPTIONS]")
def autoencoder(
    *,
    out: Annotated[Path, FOLDER] = Path("unmirage-autoencoder"),
    options: VisionOptions | None = None,
    running: LongEngineOptions | None = None,
) -> None:
    """Train shallow autoencoders of many widths to give images back.

    Sizes are hidden units: 6145 size + 3072 parameters on colour images of
    32 by 32 pixels, 1 to 1,024 units by default, as in the paper's figure 7.
    pca.parquet holds the errors of principal components, for reference.

        unmirage train autoencoder --data cifar-100-python
        unmirage audit unmirage-autoencoder/responses.parquet

    Needs PyTorch: pip install 'unmirage[models]'. The same command goes on
    where it was interrupted.
    """
    _vision("autoencoder", out, options, running)


@app.command(usage="Usage: unmirage train omniglot [OPTIONS]")
def omniglot(
    *,
    out: Annotated[Path, FOLDER] = Path("unmirage-omniglot"),
    options: VisionOptions | None = None,
    running: LongEngineOptions | None = None,
) -> None:
    """Train transformers to name handwritten characters in sequences.

    Sizes are widths: 8, 10, 14, 32 and 128. A model reads image, label,
    image, label ... and names each image; tasks are independent_1 to
    independent_5, whose characters are drawn each on its own, and bursty_1
    to bursty_5, of two characters at most. exact_match is the share of
    sequences without a mistake. Drawings must have labels and, but for a
    try, drawers.

        unmirage train omniglot --data omniglot.npz
        unmirage audit unmirage-omniglot/responses.parquet

    Needs PyTorch: pip install 'unmirage[models]'. The same command goes on
    where it was interrupted.
    """
    _vision("omniglot", out, options, running)


def _vision(
    network: Name, out: Path, options: VisionOptions | None, running: LongEngineOptions | None
) -> None:
    from unmirage.train.vision.train import train

    options = options or VisionOptions()
    with (running or LongEngineOptions()).started() as engine, progress_line(options.quiet) as progress:
        try:
            responses = train(network, out, **options.arguments(), engine=engine, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what is done is in {out}, and the same command goes on") from None
    print(responses if options.quiet else f"The responses are in {responses}")
