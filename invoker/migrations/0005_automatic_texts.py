from django.db import migrations


def move_texts(apps, schema_editor):
    AutomaticMessage = apps.get_model("invoker", "AutomaticMessage")
    AutomaticText = apps.get_model("invoker", "AutomaticText")
    AutomaticText.objects.bulk_create(
        [
            AutomaticText(
                message=message, language=message.language, text=message.text, is_default=True
            )
            for message in AutomaticMessage.objects.all()
        ]
    )


class Migration(migrations.Migration):

    dependencies = [
        ("invoker", "0004_the_controller_bot"),
    ]

    operations = [
        migrations.RunPython(move_texts, migrations.RunPython.noop),
    ]
