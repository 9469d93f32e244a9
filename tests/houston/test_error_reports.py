"""What Sentry gets to know of an error, as it comes over the wire."""

import gzip
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from django.conf import settings

FAILS = """
import io, sys, types
import django
django.setup()
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

@login_not_required
def view(request, token):
    password = "hush-local"
    raise ValueError("hush-text " + request.POST.get("secret", ""))

view.csrf_exempt = True
settings.ALLOWED_HOSTS = ["localhost"]
urls = types.ModuleType("urls_that_fail")
urls.urlpatterns = [path("fails/<token>", view)]
urls.handler500 = lambda request: HttpResponse(status=500)
sys.modules["urls_that_fail"] = urls
settings.ROOT_URLCONF = "urls_that_fail"
body = b"secret=hush-body"
environ = {
    "REQUEST_METHOD": "POST", "PATH_INFO": "/fails/hush-path", "QUERY_STRING": "token=hush-query",
    "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "203.0.113.9", "HTTP_COOKIE": "other=hush-cookie",
    "HTTP_AUTHORIZATION": "Bearer hush-header", "HTTP_X_REQUEST_ID": "request-0001",
    "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)),
    "CONTENT_TYPE": "application/x-www-form-urlencoded",
}
get_wsgi_application()(environ, lambda status, headers: None)
import sentry_sdk
sentry_sdk.flush(timeout=20)
"""


def test_error_is_reported_without_what_somebody_sent(tmp_path):
    envelopes = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            envelopes.append((gzip.decompress(body) if packed else body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        subprocess.run(
            [sys.executable, "-c", FAILS],
            cwd=settings.BASE_DIR,
            env={
                "DJANGO_SETTINGS_MODULE": "houston.settings",
                "HOUSTON_DATA_DIR": str(tmp_path),
                "HOUSTON_SENTRY_DSN": f"http://key@127.0.0.1:{server.server_port}/1",
            },
            check=True,
            capture_output=True,
        )
    finally:
        server.shutdown()
        server.server_close()

    told = "".join(envelopes)
    assert "hush-" not in told
    assert "203.0.113.9" not in told
    events = [
        found
        for envelope in envelopes
        for line in envelope.splitlines()
        if "exception" in (found := json.loads(line))
    ]
    # The last of a chain is the one that was raised.
    raised = [event["exception"]["values"][-1] for event in events]
    assert [(one["type"], one["stacktrace"]["frames"][-1]["function"]) for one in raised] == [
        ("ValueError", "view")
    ]
    assert events[0]["tags"] == {"request_id": "request-0001"}
