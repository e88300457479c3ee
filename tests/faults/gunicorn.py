"""The configuration of gunicorn for metrics of several processes, as the guide has it."""

from prometheus_client import multiprocess


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
