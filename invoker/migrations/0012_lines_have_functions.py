from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("invoker", "0011_functions_of_events_and_lines"),
    ]

    operations = [
        migrations.AlterField(
            model_name="logline",
            name="function_id",
            field=models.UUIDField(),
        ),
    ]
