"""What people write: the console and the management of functions."""

from django.apps import AppConfig


class FunctionsConfig(AppConfig):
    name = "functions"
