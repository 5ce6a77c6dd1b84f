"""Published result clips under our metrics: what the authors' own outputs show."""
