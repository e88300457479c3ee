"""Real activity, and what an independent program found in it.

Most of it is in ``tests/data`` and ``demo/data``. The rest may not be copied into the project and
is read from ``shared/data`` beside the repository; where that is missing, tests are left out.
"""

import gzip
import json
from pathlib import Path

import demo
from tests.missing import leave_out_for_data

DATA = Path(__file__).parent / "data"
FOLDERS = [DATA, Path(demo.__file__).parent / "data", DATA.parents[2] / "shared/data"]

DATASETS = ["gitgit_commits", "weblog_clients", "collegemsg", "weblog_auth_users"]


def file_of(name: str) -> Path:
    """The path of a file, like ``collegemsg.csv.gz``."""
    found = [folder / name for folder in FOLDERS if (folder / name).is_file()]
    if not found:
        leave_out_for_data(Path(name).name.partition(".")[0])
    return found[0]


def truth_of(name: str) -> dict:
    """What there is in a data set; its definitions are part of it."""
    packed = DATA / f"truth/{name}.json.gz"
    if packed.is_file():
        return json.loads(gzip.decompress(packed.read_bytes()))
    return json.loads(file_of(f"truth/{name}.json").read_text())
