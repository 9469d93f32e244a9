"""The project: wires the parts together and decides who may come in."""

from houston.celery import app as celery_app

__all__ = ["__version__", "celery_app"]

# A test holds it to pyproject.toml.
__version__ = "0.1.0"
