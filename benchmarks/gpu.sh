#!/usr/bin/env bash
# Proves and times spfem on a GPU: bash benchmarks/gpu.sh OUT [--rehearse] [--carried FOLDER]
# Needs Python with PyTorch, NumPy and safetensors ($PYTHON, default python3); seven minutes at most on a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CUBLAS_WORKSPACE_CONFIG=:4096:8  # products that can be repeated to the last bit
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
limit=435
case " $* " in *" --rehearse "*) limit=0 ;; esac  # 0: none; a busy processor may take its time
exec timeout --signal=INT "$limit" "${PYTHON:-python3}" -m benchmarks.gpu "$@"
