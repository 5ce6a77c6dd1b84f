"""Pictures of data: drawing functions take axes and return them; one style; files with the data."""
