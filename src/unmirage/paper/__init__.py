"""The paper's figures, one file a figure: what is drawn, the paper's numbers beside ours.

Schaeffer, Miranda and Koyejo 2023 (arXiv 2304.15004), figures 2, 3, 4 and 7 to 11. `published` has the
numbers of the paper, `family` those of trained language models, `vision` what figures of vision networks
share, `drawing` the parts of charts, `three` the predictions on three families; `reproduce` makes all and
writes it.
"""

from unmirage.paper.figure import Figure
from unmirage.paper.reproduce import FIGURES, Reproduction, reproduce

__all__ = ["FIGURES", "Figure", "Reproduction", "reproduce"]
