"""The charts and tables of each page."""
