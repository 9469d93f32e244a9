"""What runs: notifications in, invocations, commands out."""

from django.apps import AppConfig
from django.conf import settings

from invoker import runtime
from invoker.telemetry import traces


class InvokerConfig(AppConfig):
    name = "invoker"

    def ready(self) -> None:
        from invoker import ingest, simulator  # noqa: PLC0415 -- models are loaded only now

        traces.check()
        simulator.connect(door=ingest.hand_over, knock=ingest.knock)
        runtime.configure(
            runtime.Config(
                directory=settings.SOCKET_DIR / "sandbox",
                memory_mb=settings.SANDBOX_MEMORY_MB,
                max_instances=settings.SANDBOX_INSTANCES,
                max_instances_per_account=settings.SANDBOX_INSTANCES_PER_ACCOUNT,
                idle_s=settings.SANDBOX_IDLE_S,
                wait_s=settings.SANDBOX_WAIT_S,
                stems=settings.SANDBOX_STEMS,
                layers=frozenset(settings.SANDBOX_LAYERS),
            )
        )
