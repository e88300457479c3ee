"""The URLs of the pages and the API, to include in a project."""
