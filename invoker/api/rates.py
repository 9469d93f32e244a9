"""How often the API may be asked: so many requests a minute."""

import math
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from invoker.api.errors import ApiError
from invoker.rates import rates


class Throttle(BaseThrottle):
    """A limit of a view: `per_minute` names the setting that holds it, `counted` what it counts."""

    per_minute = "API_REQUESTS_PER_MIN"
    counted = "requests of one client or person"

    def key(self, request: Any, view: Any) -> str:
        """Whose requests are counted together."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: Any) -> bool:
        key = f"{type(self).__name__} {self.key(request, view)}"
        per_minute = getattr(settings, self.per_minute)
        if wait_s := rates.take(key, per_minute).wait_s:
            whole_s = str(math.ceil(wait_s))
            raise ApiError(
                429,
                f"Cannot take the request: at most {per_minute} {self.counted} are taken in a "
                f"minute, wait {whole_s} s",
                v1_code="rate-limited",
                headers={"Retry-After": whole_s},
            )
        return True


class CallerThrottle(Throttle):
    """All that one client or person asks for."""

    def key(self, request: Any, view: Any) -> str:  # noqa: ARG002
        key: str = request.auth.key
        return key
