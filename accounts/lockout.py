"""Waits after failed sign-ins, counted in rows.

A try is charged, and that committed, before the password is looked at; one that did not fail is forgiven afterwards.
So tries that run at the same time cannot exceed a limit, and a count stays whatever becomes of its request.

Three counts are charged: of the account from this source, of the source, and of the account from anywhere. The last
lets those through who signed in from where they are before: others cannot keep an operator out by guessing.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.crypto import salted_hmac

from accounts.models import FailureCount, User
from audit.models import Action, Outcome
from audit.services import record, record_of_user

REFUSAL = "Too many failed attempts. Wait some minutes and try again."
LIMITS = {(True, True): "account-and-address", (False, True): "address", (True, False): "account"}
Key = tuple[str, str]


@dataclass
class Admission:
    """One try: refused where it is `locked`; `closing` names the limits that it reached should it fail."""

    account: str
    source: str
    locked: bool = False
    closing: tuple[str, ...] = ()
    forgiven: bool = False

    @property
    def keys(self) -> list[Key]:
        return [("", self.source), (self.account, ""), (self.account, self.source)]


def account_of(email: str) -> str:
    """Name the account that an address, as it was typed, stands for, whatever its case."""
    user = User.objects.with_email(email).first()
    # What was typed may have been the password: it is not kept.
    return name_of(user) if user else salted_hmac("holdfast.lockout", email.lower(), algorithm="sha256").hexdigest()


def name_of(user: User) -> str:
    return f"user:{user.id}"


def source_of(address: str | None) -> str:
    """Return where a call comes from: of IPv6 the /64, all of which one customer has."""
    if address is None:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))


def charge(account: str, source: str, *, now: datetime) -> Admission:
    """Count a try of this account from this source, or say that it has to wait. Commit before trying."""
    admission = Admission(account, source)
    # A look first: who has to wait could otherwise have rows made without end, by naming ever new accounts.
    admission.locked = _waits(admission, _find(admission.keys), now)
    if admission.locked:
        return admission
    rows = _hold(admission.keys, now)
    admission.locked = _waits(admission, rows, now)
    if admission.locked:
        return admission
    charged = list(rows.values())
    admission.closing = tuple(LIMITS[bool(row.account), bool(row.source)] for row in charged if row.charge(now))
    _save(charged)
    return admission


def forgive(admission: Admission, *, now: datetime, signed_in: bool = False) -> None:
    """Take a charge back. Who signed in has no failures any more where they did, and is known there."""
    admission.forgiven = True
    rows = _hold(admission.keys, now)
    for row in rows.values():
        row.forgive()
    if signed_in:
        of_both = rows[admission.account, admission.source]
        of_both.failures, of_both.locked_until, of_both.succeeded_at = 0, None, now
    _save(rows.values())


def lift(user: User, *, actor: str, now: datetime) -> None:
    """End the waits of an operator: of the account, and of the sources from which it was tried."""
    account = name_of(user)
    sources = FailureCount.objects.filter(account=account).exclude(source="").values_list("source", flat=True)
    keys = [(account, ""), *((name, source) for source in sources for name in (account, ""))]
    rows = _hold(keys, now)
    for row in rows.values():
        row.failures, row.locked_until = 0, None
    _save(rows.values())
    record_of_user(Action.OPERATOR_UNLOCKED, user.id, actor=actor)


def record_wait(admission: Admission) -> None:
    """Write that a wait began, an entry for each limit; tries that meet one leave no entries, which would be many."""
    for limit in admission.closing:
        record(
            Action.OPERATOR_LOCKED_OUT,
            organization_id=None,
            actor="anonymous",
            subject_type="user",
            subject_id=admission.account.removeprefix("user:") if admission.account.startswith("user:") else "",
            outcome=Outcome.REFUSED,
            limit=limit,
            minutes=settings.SIGN_IN_LOCK_MINUTES,
        )


def _waits(admission: Admission, rows: Mapping[Key, FailureCount], now: datetime) -> bool:
    of_source, of_account, of_both = (rows.get(key, FailureCount()) for key in admission.keys)
    return of_both.locked(now) or of_source.locked(now) or (of_account.locked(now) and not of_both.known(now))


def _hold(keys: list[Key], now: datetime) -> dict[Key, FailureCount]:
    """Return these rows, made where there were none, locked until the transaction ends.

    Everyone locks in the order of keys, so that two never wait for each other. The conflicting insert itself takes
    the lock: a row that was only found could be pruned before it is.
    """
    fresh = [FailureCount(account=account, source=source, counted_since=now) for account, source in sorted(set(keys))]
    FailureCount.objects.bulk_create(
        fresh, update_conflicts=True, update_fields=["account"], unique_fields=["account", "source"]
    )
    found = _find(keys)
    return {key: found[key] for key in keys}


def _find(keys: list[Key]) -> dict[Key, FailureCount]:
    """Return those of these rows that there are, and perhaps others, without a lock."""
    rows = FailureCount.objects.filter(
        account__in={account for account, _ in keys}, source__in={source for _, source in keys}
    )
    return {(row.account, row.source): row for row in rows}


def _save(rows: Iterable[FailureCount]) -> None:
    FailureCount.objects.bulk_update(list(rows), ["failures", "counted_since", "locked_until", "succeeded_at"])
