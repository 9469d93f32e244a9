"""What the processes behind the web server load."""

import subprocess
import sys

LOADED = """
import sys
from houston.celery import app
app.loader.import_default_modules()
print(*sorted(app.tasks), *sys.modules, sep="\\n")
"""


def test_workers_know_their_tasks_and_load_no_page_and_no_api():
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)

    loaded = set(run.stdout.split())
    assert {"invoker.drain", "invoker.sweep", "invoker.fire_schedules"} <= loaded
    assert loaded & {"houston.urls", "rest_framework.views", "drf_spectacular.openapi"} == set()
