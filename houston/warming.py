"""Loads what every request needs before the first one, so that none of them waits for it."""

import gc
from pathlib import Path

from django.template import engines
from django.template.backends.django import DjangoTemplates
from django.template.loader import get_template
from django.urls import get_resolver

from invoker import structs


def warm_up() -> None:
    """Load all views and templates, and put aside what stays.

    Looking through all of that for garbage stopped one request in ten for half as long as the
    longest page takes.
    """
    assert get_resolver().url_patterns
    structs.look_up_all()
    engine = engines["django"]
    assert isinstance(engine, DjangoTemplates)
    for folder in engine.engine.dirs:
        for path in sorted(Path(folder).rglob("*.html")):
            get_template(str(path.relative_to(folder)))
    gc.collect()
    gc.freeze()
