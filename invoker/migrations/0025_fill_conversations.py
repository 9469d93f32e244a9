"""When something last happened in the conversations that are there, and which of them are closed."""

from django.db import migrations
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce

ROWS_AT_ONCE = 2_000


def fill(apps, schema_editor):
    Conversation = apps.get_model("invoker", "Conversation")
    latest = (
        apps.get_model("invoker", "Event")
        .objects.filter(conversation=OuterRef("pk"))
        .order_by("-position")
        .values("created_at")[:1]
    )
    # In pieces, so that none of them keeps others from writing for long.
    last = 0
    while pks := list(
        Conversation.objects.filter(pk__gt=last)
        .order_by("pk")
        .values_list("pk", flat=True)[:ROWS_AT_ONCE]
    ):
        last = pks[-1]
        piece = Conversation.objects.filter(pk__in=pks)
        piece.update(active_at=Coalesce(Subquery(latest), F("created_at")))
        # Dialogs have a state too, so that the text alone does not tell.
        maybe = piece.filter(state__contains='"state":"CLOSE"').values_list("pk", "state")
        closed = [pk for pk, state in maybe if state.get("state") == "CLOSE"]
        Conversation.objects.filter(pk__in=closed).update(closed=True)


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("invoker", "0024_conversations_by_time"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
