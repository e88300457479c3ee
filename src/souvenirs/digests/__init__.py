"""Folding souvenirs into digests, and taking out of both what is to be forgotten."""
