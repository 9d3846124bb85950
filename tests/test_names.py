"""The public names of the package stay functions, whatever modules of the same names are loaded."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "before",
    [
        "import unmirage.curves.laws",
        "from unmirage.curves import laws, fit",
        "import unmirage; unmirage.curves; import unmirage.curves.laws; from unmirage.curves.laws import Law",
    ],
)
def test_audit_and_curves_stay_functions(before):
    code = (
        f"{before}\n"
        "import sys, types, unmirage\n"
        "from unmirage import audit, curves\n"
        "assert isinstance(unmirage.curves, types.FunctionType), unmirage.curves\n"
        "assert isinstance(unmirage.audit, types.FunctionType), unmirage.audit\n"
        "assert curves is unmirage.curves and audit is unmirage.audit\n"
        "assert curves is sys.modules['unmirage.streaming.curves'].curves\n"
        "from unmirage.curves import power_law\n"
        "print(power_law().name, type(sys.modules['unmirage.curves']).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("power law module", "")


def test_the_function_works_beside_the_modules():
    code = (
        "import warnings, unmirage, unmirage.curves.laws\n"
        "warnings.simplefilter('ignore')\n"
        "frame = unmirage.curves(unmirage.simulate('late', n_items=50))\n"
        "print('mean' in frame.columns and frame.height > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("True", "")
