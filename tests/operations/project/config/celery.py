"""A Celery application with nothing to do."""

import os

from celery import Celery

app = Celery("stub", broker=os.environ["REDIS_URL"])
