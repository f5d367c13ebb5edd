"""Celery wakes; the database knows. Due work is rows, so a lost wake-up costs time and nothing else."""

import logging.config
import os
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import beat_init, setup_logging, worker_init
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from operations.health import refuse_cluster_start

# It warns of root, who must not unpickle what the broker hands over. Only JSON is accepted here, from anyone.
warnings.filterwarnings("ignore", category=SecurityWarning)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("holdfast")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")
app.conf.beat_schedule = {
    "prune-idempotent-answers": {"task": "operations.jobs.prune_idempotent_answers", "schedule": 600.0},
    "prune-console-sessions": {"task": "operations.jobs.prune_console_sessions", "schedule": 600.0},
    "prune-failure-counts": {"task": "operations.jobs.prune_failure_counts", "schedule": 600.0},
    "prune-invitations": {"task": "operations.jobs.prune_invitations", "schedule": 3600.0},
    "remind-of-expiring-keys": {"task": "orgs.jobs.remind_of_expiring_keys", "schedule": 3600.0},
    "delete-organizations": {"task": "orgs.jobs.delete_organizations", "schedule": 60.0},
    "finish-erasures": {"task": "operations.jobs.finish_erasures", "schedule": 60.0},
}


@setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]  # celery ships no types
def _log_as_the_service_does(**kwargs: Any) -> None:
    # A receiver keeps Celery from adding handlers and formats of its own.
    logging.config.dictConfig(settings.LOGGING)


@beat_init.connect(weak=False)  # type: ignore[untyped-decorator]
@worker_init.connect(weak=False)  # type: ignore[untyped-decorator]  # celery ships no types
def _refuse_what_cannot_serve(**kwargs: Any) -> None:
    try:
        refuse_cluster_start()
    except ImproperlyConfigured as problem:
        # Celery logs any other exception of a receiver, and goes on.
        raise SystemExit(str(problem)) from None
