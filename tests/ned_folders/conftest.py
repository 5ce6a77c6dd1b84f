from tests.flame.conftest import deca, deca_folder

__all__ = ["deca", "deca_folder"]
