"""What `python -m spfem doctor` looks at: machine, packages, optional files, corpora, runs."""
