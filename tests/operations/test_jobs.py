import threading
import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from api.models import IdempotentAnswer
from operations import jobs
from orgs import tenancy


def _keep(*, expired: bool) -> IdempotentAnswer:
    age = timedelta(seconds=-1 if expired else 3600)
    with tenancy.system():
        return IdempotentAnswer.objects.create(
            organization_id=uuid.uuid4(), owner_id=uuid.uuid4(), principal=uuid.uuid4().hex, key="key",
            fingerprint="", answer="", expires_at=timezone.now() + age,
        )  # fmt: skip


def _is_kept(answer: IdempotentAnswer) -> bool:
    with tenancy.system():
        return IdempotentAnswer.objects.filter(id=answer.id).exists()


def test_pruning_deletes_the_answers_whose_time_is_over() -> None:
    expired, live = _keep(expired=True), _keep(expired=False)

    jobs.prune_idempotent_answers()

    assert (_is_kept(expired), _is_kept(live)) == (False, True)


def test_pruning_takes_batch_after_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    expired = [_keep(expired=True) for _ in range(5)]

    deleted = jobs.prune_idempotent_answers()

    assert deleted >= 5
    assert not any(_is_kept(answer) for answer in expired)


def test_pruning_does_not_wait_for_ever_for_a_row_that_another_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "STATEMENT_TIMEOUT", "50ms")
    expired = _keep(expired=True)
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with tenancy.system():
            IdempotentAnswer.objects.select_for_update().get(id=expired.id)
            held.set()
            over.wait()
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        with pytest.raises(OperationalError, match="statement timeout"):
            jobs.prune_idempotent_answers()
    finally:
        over.set()
        holder.join()

    jobs.prune_idempotent_answers()
    assert not _is_kept(expired)
