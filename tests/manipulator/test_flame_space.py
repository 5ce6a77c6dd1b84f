from spfem.manipulator import Manipulator
from spfem.manipulator.networks import FLAME_SPACE
from spfem.settings import ManipulatorSettings


def test_it_is_the_space_of_the_released_weights():
    assert FLAME_SPACE.size == len(set(FLAME_SPACE.names)) == 51
    assert FLAME_SPACE.names[0] == "jaw_opening"
    assert FLAME_SPACE.value_range is None
    generator = Manipulator(ManipulatorSettings(), FLAME_SPACE).generator
    assert sum(parameter.numel() for parameter in generator.parameters()) == 12_951_091
