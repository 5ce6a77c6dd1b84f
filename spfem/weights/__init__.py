"""The models that come with the package, and their cards.

`spfem.pretrained` finds and checks a file for loading; `python -m spfem.weights make` makes all of
them anew, which takes the studies of a checkout.
"""
