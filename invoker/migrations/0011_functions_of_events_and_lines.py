"""Which function ran for an event, and which one wrote a line, of what is there already."""

from django.db import migrations
from django.db.models import Exists, OuterRef, Subquery


def fill(apps, schema_editor):
    Event = apps.get_model("invoker", "Event")
    Invocation = apps.get_model("invoker", "Invocation")
    LogLine = apps.get_model("invoker", "LogLine")
    ran = Invocation.objects.filter(event=OuterRef("pk"))
    Event.objects.filter(Exists(ran)).update(
        function_id=Subquery(ran.order_by("-started_at").values("function_id")[:1])
    )
    wrote = Invocation.objects.filter(pk=OuterRef("invocation_id"))
    LogLine.objects.update(function_id=Subquery(wrote.values("function_id")[:1]))


class Migration(migrations.Migration):

    dependencies = [
        ("invoker", "0010_find_events_and_lines"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
