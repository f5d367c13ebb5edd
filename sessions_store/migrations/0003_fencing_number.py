from django.db import migrations, models


class Migration(migrations.Migration):
    """One constant default and no check: PostgreSQL adds the column without reading or writing a row."""

    dependencies = [("sessions_store", "0002_fence_and_functions")]

    operations = [
        migrations.AddField("session", "fencing_number", models.BigIntegerField(db_default=0, editable=False)),
    ]
