"""Small real sites, one for each shape that sites have: ``python -m tests.sites [NAME ...]``.

Each is a process under gunicorn or uvicorn and a database of its own. It records requests, limits
them, digests and prunes, and whatever it then shows is compared with brute force.
"""
