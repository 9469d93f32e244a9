from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('invoker', '0025_fill_conversations'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['account_id', '-active_at', '-id'], name='conversation_by_time'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['connection', '-active_at', '-id'], name='conversation_on_platform'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('closed', False)), fields=['account_id', '-active_at', '-id'], name='conversation_open'),
        ),
    ]
