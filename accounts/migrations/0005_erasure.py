from django.db import migrations, models

import api.identifiers


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_linked_identities")]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(default=api.identifiers.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("user_id", models.UUIDField(unique=True)),
                ("requested_at", models.DateTimeField()),
                ("requested_by", models.CharField(max_length=60)),
                ("refused_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("counts", models.JSONField(default=dict)),
                ("receipt", models.JSONField(null=True)),
            ],
            options={"ordering": ["-id"]},
        ),
    ]
