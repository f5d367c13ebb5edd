from django.db import migrations, models


class Migration(migrations.Migration):
    """One constant default and no check: PostgreSQL adds the column without reading or writing a row."""

    dependencies = [("tasks", "0002_fence_and_functions")]

    operations = [
        migrations.AddField("task", "fencing_number", models.BigIntegerField(db_default=0, editable=False)),
    ]
