"""How forms become HTML: one template for every field, `templates/ui/field.html`."""

from functools import cached_property
from pathlib import Path

import django.forms
from django.conf import settings
from django.forms.renderers import DjangoTemplates
from django.template.backends.django import DjangoTemplates as TemplateEngine


class FormRenderer(DjangoTemplates):
    """Renders widgets from Django's own templates, and fields from ours."""

    field_template_name = "ui/field.html"

    @cached_property
    def engine(self) -> TemplateEngine:
        return self.backend(
            {
                "NAME": "forms",
                "DIRS": [
                    settings.BASE_DIR / "templates",
                    Path(django.forms.__file__).parent / "templates",
                ],
                "APP_DIRS": False,
                "OPTIONS": {},
            }
        )
