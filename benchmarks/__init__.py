"""How fast we are, beside literal versions of the released steps and at the limits of a GPU.

`python -m benchmarks PART` times on this machine. `bash benchmarks/gpu.sh OUT` proves what a GPU
must: the same numbers as the processor, fast; it needs PyTorch, NumPy and safetensors only.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "notebooks"))  # where `studies` lies
