"""What the web server loads."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from invoker import runtime

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "houston.settings")
application = get_wsgi_application()

# Everything that stays is loaded now, and put aside: looking through all of it for garbage stopped
# some requests for a tenth of a second.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()

# This process holds every key, and sandboxes run as the same user.
runtime.hide()
