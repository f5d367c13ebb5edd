"""Celery wakes; the database knows. Due work is rows, so a lost wake-up costs time and nothing else."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("holdfast")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")
app.conf.beat_schedule = {
    "prune-idempotent-answers": {"task": "operations.jobs.prune_idempotent_answers", "schedule": 600.0},
}
