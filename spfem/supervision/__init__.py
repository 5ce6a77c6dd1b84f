"""How the correlation metrics supervise: losses on the manipulator's and the renderer's edits."""
