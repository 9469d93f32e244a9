"""What runs: notifications in, invocations, commands out."""

from django.apps import AppConfig
from django.conf import settings

from invoker import runtime


class InvokerConfig(AppConfig):
    name = "invoker"

    def ready(self) -> None:
        runtime.configure(
            runtime.Config(
                directory=settings.SOCKET_DIR / "sandbox",
                memory_mb=settings.SANDBOX_MEMORY_MB,
                max_instances=settings.SANDBOX_INSTANCES,
            )
        )
