"""Lands the JSON files of a folder in PostgreSQL with dlt, raw, and prints the seconds it took.

    dlt_load.py FOLDER POSTGRES_URL
"""

import json
import os
import sys
import tempfile
import time

folder, url = sys.argv[1:]
home = tempfile.TemporaryDirectory()
os.environ["DLT_DATA_DIR"] = home.name
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

import dlt  # noqa: E402, it reads the environment when it is imported


@dlt.resource(name="event")
def events():
    for entry in os.scandir(folder):
        if entry.name.endswith(".json"):
            with open(entry.path, encoding="utf-8") as file:
                yield json.load(file)


pipeline = dlt.pipeline(
    "landing",
    pipelines_dir=home.name,
    destination=dlt.destinations.postgres(url),
    dataset_name="dlt_landing",
)
began = time.perf_counter()
pipeline.run(events())
print(time.perf_counter() - began)
