"""The project as an app: people, accounts, and the pieces put together."""

from django.apps import AppConfig


class HoustonConfig(AppConfig):
    name = "houston"
