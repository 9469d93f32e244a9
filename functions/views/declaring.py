"""What the editor fetches about a function's event: declarations, and the schema of its payload."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from functions import declarations
from functions.access import ConsoleRequest
from functions.models import Function
from functions.views.finding import find_function

# Those that the build of the editor finds declarations of, see static/editor/packages.mjs.
TYPED = ("es-toolkit", "jsonwebtoken", "lodash", "luxon", "oauth-1.0a", "undici", "uuid")
A_YEAR_S = 365 * 24 * 3600


@require_GET
def types(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    function = find_function(account_id, name)
    document = declarations.declarations(function.event_type)
    return _answer(request, document, "text/plain; charset=utf-8")


@require_GET
def schema(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    function = find_function(account_id, name)
    document = declarations.schema(function.event_type)
    return _answer(request, document, "application/schema+json")


def addresses(function: Function) -> dict[str, Any]:
    """Where a page finds both; what an address gives never changes."""
    kept = (function.account_id, function.name)
    of_types = declarations.declarations(function.event_type)
    of_schema = declarations.schema(function.event_type)
    return {
        "package_types": " ".join(f"{name}={url}" for name, url in _package_types()),
        "types_url": f"{reverse('functions:types', args=kept)}?v={of_types.tag}",
        "schema_url": f"{reverse('functions:schema', args=kept)}?v={of_schema.tag}",
    }


def _package_types() -> Iterator[tuple[str, str]]:
    for name in TYPED:
        # None where the editor was not built.
        with suppress(ValueError):
            yield name, static(f"editor/types/{name}.json")


def _answer(
    request: ConsoleRequest, document: declarations.Document, content_type: str
) -> HttpResponse:
    answer = HttpResponse(document.text, content_type=content_type)
    answer["ETag"] = f'"{document.tag}"'
    named = request.GET.get("v") == document.tag
    answer["Cache-Control"] = (
        f"private, max-age={A_YEAR_S}, immutable" if named else "private, no-cache"
    )
    # Who signs in here next may have nothing to do with this account.
    patch_vary_headers(answer, ["Cookie"])
    return answer
