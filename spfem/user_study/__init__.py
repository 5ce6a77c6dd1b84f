"""A blinded comparison of result videos by people: the page, and the reader of its answers."""
