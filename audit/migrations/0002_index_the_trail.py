from django.db import migrations, models

# By what a reader looks for, then in the trail's order.
BY = (("time", []), ("actor", ["actor"]), ("action", ["action"]), ("subject", ["subject_id"]),
      ("request", ["request_id"]), ("address", ["address"]))  # fmt: skip
REFUSED = models.Index(
    fields=["organization_id", "created_at", "id"],
    name="audit_entry_refused",
    condition=models.Q(outcome="refused"),
)


def index(name: str, fields: list[str]) -> migrations.AddIndex:
    made = models.Index(fields=["organization_id", *fields, "created_at", "id"], name=f"audit_entry_by_{name}")
    return migrations.AddIndex(model_name="entry", index=made)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RemoveIndex(model_name="entry", name="audit_entry_by_organization"),
        *(index(name, fields) for name, fields in BY),
        migrations.AddIndex(model_name="entry", index=REFUSED),
    ]
