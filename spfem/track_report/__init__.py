"""How well clips were tracked: a table a clip, and videos to look at."""
