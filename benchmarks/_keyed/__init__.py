"""The app of keys.py: the same users under each kind of primary key."""
