"""The models that come with the package, their cards, and how all of them are made anew.

`python -m spfem.weights make` does that; `spfem.pretrained` finds and checks a file for loading.
"""
