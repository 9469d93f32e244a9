"""What pages with a code editor may do beyond the policy of all others."""

from typing import Any, cast

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update

from functions.access import View


def with_editor(view: View) -> View:
    """Let the code editor write its colours as style elements; scripts stay as strict."""
    relax = cast("Any", csp_update({"style-src": [UNSAFE_INLINE]}))
    return cast("View", relax(view))
