"""What the web server loads."""

import os

from django.core.wsgi import get_wsgi_application

from houston.warming import warm_up
from invoker import runtime

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "houston.settings")
application = get_wsgi_application()

# This process holds every key, and sandboxes run as the same user.
runtime.hide()
warm_up()
