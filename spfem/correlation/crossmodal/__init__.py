"""SCMCL: distances between voices predict distances between faces."""
