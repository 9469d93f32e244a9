"""The threads of a web process that are kept by what waits, which are never all of them.

An invocation keeps one for as long as the function runs, a deployment for as long as its code takes
to start, which a loop can make as long, and a door one for a moment that slows a sender down. All
of them count together: a quarter of the threads always stays with the console and with what
messaging platforms send, and no account keeps more than half.
"""

from typing import Final

from django.conf import settings

from invoker.calls import AtOnce

MOST_OF_ACCOUNT: Final = max(1, settings.WEB_THREADS // 2)
MOST_TOGETHER: Final = max(1, settings.WEB_THREADS * 3 // 4)
# Whoever only slows somebody down leaves the rest to who has work to wait for.
MOST_WITH_SLOWED: Final = max(1, settings.WEB_THREADS // 2)
at_once: Final = AtOnce(MOST_OF_ACCOUNT, together=MOST_TOGETHER)
