"""What a GPU must prove: the same numbers as the processor, fast, and how far from its limit.

`bash benchmarks/gpu.sh OUT` runs everything; it needs PyTorch, NumPy and safetensors only.
"""
