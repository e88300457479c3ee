"""Template tags: usage on the index of the admin."""
