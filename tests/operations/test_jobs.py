import threading
import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from accounts import lockout
from accounts.console_sessions import SessionStore, digest
from accounts.models import ConsoleSession, FailureCount
from api.models import IdempotentAnswer
from operations import jobs
from orgs import tenancy
from orgs.models import Invitation, Organization
from tests.orgs.invitations import make_rows
from tests.statements import elsewhere


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


def test_pruning_deletes_invitations_90_days_after_they_ran_out(organization: Organization) -> None:
    long_ago, lately = (timezone.now() - timedelta(days=days) for days in (90, 89))
    make_rows(organization, 2, expires_at=long_ago)
    make_rows(organization, 1, expires_at=lately)

    jobs.prune_invitations()

    with tenancy.system():
        assert [row.expires_at for row in Invitation.objects.filter(organization=organization)] == [lately]


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


def _session(*, over: bool) -> str:
    store = SessionStore()
    store.create()
    key = digest(store.session_key or "")
    if over:
        ConsoleSession.objects.filter(session_key=key).update(expire_date=timezone.now())
    return key


def test_pruning_deletes_the_sessions_of_the_console_that_are_over() -> None:
    over, live = _session(over=True), _session(over=False)

    jobs.prune_console_sessions()

    kept = ConsoleSession.objects.filter(session_key__in=[over, live])
    assert [session.session_key for session in kept] == [live]


def test_pruning_deletes_counts_of_failed_sign_ins_that_say_nothing_any_more() -> None:
    now, old, recent = timezone.now(), uuid.uuid4().hex, uuid.uuid4().hex
    with tenancy.system():
        lockout.charge(old, old, now=now - timedelta(hours=1))
        lockout.charge(recent, recent, now=now)

    jobs.prune_failure_counts()

    with tenancy.system():
        kept = FailureCount.objects.filter(account__in=[old, recent]).values_list("account", flat=True)
        assert set(kept) == {recent}


def test_pruning_passes_over_a_count_that_is_being_charged() -> None:
    account, now = uuid.uuid4().hex, timezone.now()
    with tenancy.system():
        lockout.charge(account, account, now=now - timedelta(hours=1))

    with tenancy.system():
        lockout.charge(account, account, now=now)
        elsewhere(jobs.prune_failure_counts)

    with tenancy.system():
        assert FailureCount.objects.get(account=account, source=account).failures == 1
