"""Functions from before skills have all skills of their event, and their event is theirs."""

from django.db import migrations

# The events that run one function each, as they were when skills came.
SINGLE_EVENT_TYPES = (
    "controllerbot_messaging_consumer_step_up",
    "controllerbot_messaging_conversation_end",
    "controllerbot_messaging_conversation_idle",
    "controllerbot_messaging_conversation_routing",
    "controllerbot_messaging_mid_conversation_msg",
    "controllerbot_messaging_new_conversation",
    "controllerbot_messaging_participants_change",
    "controllerbot_messaging_ttr",
    "surveybot_messaging_survey_ended",
    "surveybot_messaging_survey_started",
)


def claim(apps, schema_editor):
    """Give each event of each account to the one function that has it."""
    functions = apps.get_model("functions", "Function").objects.using(schema_editor.connection.alias)
    claims = apps.get_model("functions", "EventClaim").objects.using(schema_editor.connection.alias)
    found = functions.filter(event_type__in=SINGLE_EVENT_TYPES, skills=[])
    claims.bulk_create(
        [
            claims.model(account_id=account_id, event_type=event_type, holder_id=pk)
            for pk, account_id, event_type in found.values_list("pk", "account_id", "event_type")
        ]
    )


class Migration(migrations.Migration):
    dependencies = [("functions", "0002_skills")]

    operations = [migrations.RunPython(claim, migrations.RunPython.noop)]
