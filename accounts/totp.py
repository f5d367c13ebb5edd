"""The second factor of operators: enrolled, taken, replaced by backup codes, removed. Each step is audited."""

import base64
import hashlib
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

from accounts.models import BackupCode, ConsoleSession, TOTPDevice, User
from audit.models import Action
from audit.services import record_of_user

ISSUER = "Holdfast"
# What RFC 4226 section 4 recommends, and the length of a SHA-1 digest.
SECRET_BYTES = 20
BACKUP_CODES = 10
BACKUP_CODE_BYTES = 10


def find_device(user: User) -> TOTPDevice | None:
    """Return the device that the user has to sign in with, or None."""
    return TOTPDevice.objects.filter(user=user).exclude(confirmed_at=None).first()


def begin(user: User) -> str | None:
    """Make a new secret that awaits its first code, and return it in base32; None for one who has a device already."""
    _hold(user)
    if find_device(user):
        return None
    TOTPDevice.objects.filter(user=user, confirmed_at=None).delete()
    device = TOTPDevice(user=user)
    device.keep(secrets.token_bytes(SECRET_BYTES))
    device.save(force_insert=True)
    return device.reveal()


def find_begun(user: User) -> str | None:
    """Return the secret that awaits its first code, in base32."""
    device = TOTPDevice.objects.filter(user=user, confirmed_at=None).first()
    return device.reveal() if device else None


def uri(user: User, secret: str) -> str:
    """Return what authenticators read from the drawn code: the key URI that Google Authenticator defined."""
    label = quote(f"{ISSUER}:{user.email}", safe=":@")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret.rstrip('='), 'issuer': ISSUER})}"


def confirm(user: User, code: str, *, now: datetime) -> list[str] | None:
    """Enrol the device by its first code and return its backup codes, shown this once; None where it is not the code.

    The caller ends the user's other sessions, which were begun without it.
    """
    _hold(user)
    device = TOTPDevice.objects.filter(user=user, confirmed_at=None).first()
    if device is None or not device.take(_plain(code), now):
        return None
    device.confirmed_at = now
    device.save(update_fields=["secret", "last_step", "confirmed_at"])
    record_of_user(Action.OPERATOR_TOTP_ENROLLED, user.id, actor=f"operator:{user.id}")
    return _replace_backup_codes(user)


def take(user: User, code: str, *, now: datetime) -> bool:
    """Take a code of the device or a backup code, either of them once; of two at the same time the second waits."""
    _hold(user)
    device = find_device(user)
    if device is None:
        return False
    if device.take(_plain(code), now):
        device.save(update_fields=["secret", "last_step"])
        return True
    taken, _ = BackupCode.objects.filter(user=user, digest=_digest(code)).delete()
    if taken:
        left = BackupCode.objects.filter(user=user).count()
        record_of_user(Action.OPERATOR_BACKUP_CODE_USED, user.id, actor=f"operator:{user.id}", left=left)
    return bool(taken)


def renew_backup_codes(user: User) -> list[str]:
    """Make new backup codes in place of the old ones, and return them."""
    record_of_user(Action.OPERATOR_BACKUP_CODES_MADE, user.id, actor=f"operator:{user.id}")
    return _replace_backup_codes(user)


def remove(user: User) -> None:
    """Take the user's own device and backup codes away."""
    _forget(user)
    record_of_user(Action.OPERATOR_TOTP_REMOVED, user.id, actor=f"operator:{user.id}")


def reset(user: User, *, actor: str) -> bool:
    """Take another operator's device away and end their sessions; return whether there was one."""
    if not _forget(user):
        return False
    ConsoleSession.objects.of(user).delete()
    record_of_user(Action.OPERATOR_TOTP_RESET, user.id, actor=actor)
    return True


def _hold(user: User) -> None:
    """Have whoever changes the same user's devices wait until this transaction ends."""
    User.objects.select_for_update(no_key=True).get(id=user.id)


def _forget(user: User) -> bool:
    _hold(user)
    BackupCode.objects.filter(user=user).delete()
    return bool(TOTPDevice.objects.filter(user=user).delete()[0])


def _replace_backup_codes(user: User) -> list[str]:
    BackupCode.objects.filter(user=user).delete()
    codes = [base64.b32encode(secrets.token_bytes(BACKUP_CODE_BYTES)).decode().lower() for _ in range(BACKUP_CODES)]
    BackupCode.objects.bulk_create([BackupCode(user=user, digest=_digest(code)) for code in codes])
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def _plain(code: str) -> str:
    """Return a code without what it may be written with: authenticators show 123 456, and ours have hyphens."""
    return code.replace(" ", "").replace("-", "").lower()


def _digest(code: str) -> bytes:
    return hashlib.sha256(_plain(code).encode(errors="backslashreplace")).digest()
