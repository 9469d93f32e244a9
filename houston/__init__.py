"""The project: wires the parts together and decides who may come in."""

from houston.celery import app as celery_app

__all__ = ["celery_app"]
