"""One static page with every table, figure and video of a run, and what made each."""
