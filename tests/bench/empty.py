"""The floor of every request: a view that says yes to anything, and no middleware around it.

For gunicorn with the options that Houston's own web server has, see `tests.bench.throughput`.
"""

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[], SECRET_KEY="bench")


def empty(request: HttpRequest) -> JsonResponse:
    request.read()
    response = JsonResponse({"accepted": 1}, status=202)
    # As Django's CommonMiddleware says it, so that the server need not answer in chunks.
    response["Content-Length"] = str(len(response.content))
    return response


urlpatterns = [path("", empty)]
application: WSGIHandler = get_wsgi_application()
