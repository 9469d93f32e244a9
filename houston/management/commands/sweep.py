"""`manage.py sweep`: handle everything that is due, here and now, without a broker."""

from typing import Any

from django.core.management.base import BaseCommand

from invoker import dispatch, schedules


class Command(BaseCommand):
    help = "Handle every conversation and run every schedule that is due, in this process"

    def handle(self, *_: Any, **__: Any) -> None:
        finished = 0
        while due := dispatch.due_conversations():
            finished += sum(dispatch.drain(pk) for pk in due)
        ran = 0
        while fired := schedules.fire():
            ran += fired
        self.stdout.write(f"{finished} events handled, {ran} schedules run")
