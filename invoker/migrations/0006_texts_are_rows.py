from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("invoker", "0005_automatic_texts"),
    ]

    operations = [
        migrations.RemoveField(
            model_name='automaticmessage',
            name='language',
        ),
        migrations.RemoveField(
            model_name='automaticmessage',
            name='text',
        ),
    ]
