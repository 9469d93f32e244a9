"""What people write: the console and the management of functions."""

from importlib import import_module

from django.apps import AppConfig

from invoker.gateway import drafts


class FunctionsConfig(AppConfig):
    name = "functions"

    def ready(self) -> None:
        # It needs the models, which are there by now.
        drafts.tell(import_module("functions.services").exists)
