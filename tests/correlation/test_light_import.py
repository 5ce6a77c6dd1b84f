from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "anny",
    "av",
    "cv2",
    "jupyterlab",
    "librosa",
    "matplotlib",
    "mediapipe",
    "pandas",
    "scipy",
    "seaborn",
    "sklearn",
    "warp",
)


def test_importing_the_metrics_imports_torch_and_numpy_only():
    program = (
        "import sys, spfem.correlation, spfem.correlation.learn, spfem.correlation.maps, "
        "spfem.correlation.similarity_table, spfem.statistics, "
        "spfem.correlation.crossmodal.bank_stage, spfem.correlation.crossmodal.retrieval, "
        "spfem.correlation.crossmodal.retrieval_table; "
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
