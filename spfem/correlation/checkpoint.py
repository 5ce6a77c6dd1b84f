"""For imports of this name until they are gone: see `spfem.checkpoints`."""

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts

__all__ = ["load_checkpoint", "load_weights", "save_checkpoint", "settings_from_facts"]
