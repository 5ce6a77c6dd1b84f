from __future__ import annotations

import subprocess
import sys

PROBE = """
import sys, torch, numpy.random  # whose compiled parts bring modules of their own
before = {name.split(".")[0] for name in sys.modules}
import spfem.manipulator
after = {name.split(".")[0] for name in sys.modules} - before
print(sorted(after - set(sys.stdlib_module_names)))
"""


def test_import_loads_torch_and_numpy_only():
    run = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['spfem']"
