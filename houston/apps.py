"""The project as an app: people, accounts, and the pieces put together."""

from importlib import import_module

from django.apps import AppConfig

from houston import error_reports


class HoustonConfig(AppConfig):
    name = "houston"

    def ready(self) -> None:
        """Listen to what happens to people's second factors, passwords and identities."""
        error_reports.begin()
        import_module("houston.coming_in")
        import_module("houston.single_sign_on")
