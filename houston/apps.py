"""The project as an app: people, accounts, and the pieces put together."""

from importlib import import_module

from django.apps import AppConfig


class HoustonConfig(AppConfig):
    name = "houston"

    def ready(self) -> None:
        """Listen to what happens to people's second factors, passwords and identities."""
        import_module("houston.coming_in")
        import_module("houston.single_sign_on")
