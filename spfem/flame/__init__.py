"""FLAME and DECA: the released face model and encoder, with the user's own files."""
