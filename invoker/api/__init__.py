"""What all addresses of the API share: two dialects, who may do what, and how errors look.

The vendor's clients come in two dialects, V1 and V2. Views are thin shapes over the same services:
they read, ask for a permission, call, and answer in the dialect of the request.
"""

from invoker.api.errors import PREFIX, ApiError, body
from invoker.api.fields import MomentField
from invoker.api.parsers import MAX_BODY_BYTES, JsonParser
from invoker.api.rates import CallerThrottle, Throttle
from invoker.api.schema import ApiSchema, ErrorSerializer, LogEntrySerializer
from invoker.api.views import ApiRequest, ApiView, Dialect, no_nul, not_found
from invoker.permissions import Permission

__all__ = [
    "MAX_BODY_BYTES",
    "PREFIX",
    "ApiError",
    "ApiRequest",
    "ApiSchema",
    "ApiView",
    "CallerThrottle",
    "Dialect",
    "ErrorSerializer",
    "JsonParser",
    "LogEntrySerializer",
    "MomentField",
    "Permission",
    "Throttle",
    "body",
    "no_nul",
    "not_found",
]
