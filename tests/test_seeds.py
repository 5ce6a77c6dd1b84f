import torch

from spfem.seeds import mix_seed


def test_every_number_changes_what_torch_draws():
    seeds = [(seed, role, step) for seed in range(4) for role in range(2) for step in range(50)]
    drawn = {
        float(torch.rand(1, dtype=torch.float64, generator=torch.Generator().manual_seed(mixed)))
        for mixed in (mix_seed(*numbers) for numbers in seeds)
    }
    assert len(drawn) == len(seeds)
    assert mix_seed(1, 2) == mix_seed(1, 2)
    assert 0 <= mix_seed(0, 0) < 2**32
