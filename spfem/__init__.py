"""spfem: speech-preserving facial expression manipulation, reproduced end to end."""

__version__ = "0.1.0"

__all__ = ["__version__"]
