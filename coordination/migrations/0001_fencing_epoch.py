from django.db import migrations, models

from orgs.tenancy import SYSTEM_ROLE

GRANT = f"GRANT SELECT, INSERT, UPDATE ON coordination_fencingepoch TO {SYSTEM_ROLE}"
REVOKE = f"REVOKE ALL ON coordination_fencingepoch FROM {SYSTEM_ROLE}"


class Migration(migrations.Migration):
    initial = True
    dependencies = [("orgs", "0002_serving_roles")]

    operations = [
        migrations.CreateModel(
            name="FencingEpoch",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("epoch", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="coordination_fencingepoch_one"),
                    models.CheckConstraint(
                        condition=models.Q(("epoch__gt", 0), ("epoch__lt", 2**37)),
                        name="coordination_fencingepoch_range",
                    ),
                ],
            },
        ),
        migrations.RunSQL(GRANT, REVOKE),
    ]
