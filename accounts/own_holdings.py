"""What this app holds of a person, with what Django's own apps and those below this one do."""

from accounts.erasing import (
    delete_admin_log,
    delete_answers,
    delete_identities,
    delete_settings,
    delete_sign_ins,
)
from accounts.holdings import Holding, Lines

PSEUDONYM = "the user's id, which names nobody once the user is gone"

PROFILE_COLUMNS = """id, email, display_name, external_id, preferences, is_active, is_staff, is_superuser, last_login,
created_at"""

PROFILE = Holding(
    "profile",
    claims=("accounts.User.id", "accounts.User_groups.user_id", "accounts.User_user_permissions.user_id"),
    lines=(
        Lines(
            "profile",
            "accounts_user",
            PROFILE_COLUMNS,
            "id = %(user)s",
            tenant=False,
            suffix="json",
        ),
    ),
)
SETTINGS = Holding(
    "settings",
    claims=("accounts.UserSettings.user_id",),
    lines=(
        Lines(
            "settings",
            "accounts_usersettings",
            "user_id, document, generation, updated_at",
            "user_id = %(user)s",
            ("user_id",),
            tenant=False,
            suffix="json",
        ),
    ),
    erase=delete_settings,
)
ERASURES = Holding(
    "erasures",
    claims=("accounts.Erasure.user_id", "accounts.Erasure.requested_by"),
    kept={"the erasure and its receipt": f"the proof that the person was erased; holds {PSEUDONYM}"},
)
ADMIN_LOG = Holding(
    "admin-log",
    claims=("admin.LogEntry.user_id", "admin.LogEntry.object_id"),
    lines=(
        Lines(
            "admin-log",
            "django_admin_log",
            "id, action_time, object_id, action_flag, change_message",
            "user_id = %(user)s",
            tenant=False,
        ),
    ),
    erase=delete_admin_log,
)
# Neither the digest of a session's key nor anything of the second factor is told, also to whose they are.
SIGN_INS = Holding(
    "sign-ins",
    claims=("accounts.ConsoleSession.user_id", "accounts.TOTPDevice.user_id", "accounts.BackupCode.user_id"),
    lines=(
        Lines(
            "console-sessions",
            "accounts_consolesession",
            "id, started_at, last_seen_at, address, user_agent",
            "user_id = %(user)s",
            tenant=False,
        ),
    ),
    erase=delete_sign_ins,
)
IDENTITIES = Holding(
    "identities",
    claims=("accounts.LinkedIdentity.user_id",),
    lines=(
        Lines(
            "identities",
            "accounts_linkedidentity",
            "id, issuer, subject, created_at",
            "user_id = %(user)s",
            tenant=False,
        ),
    ),
    erase=delete_identities,
)
# What is kept for an Idempotency-Key repeats an answer whose content stands elsewhere in the export.
ANSWERS = Holding("idempotent-answers", claims=("api.IdempotentAnswer.owner_id",), erase=delete_answers)
# The address of a call is of whoever made it: an operator's is not told to the person whom they looked at.
ENTRY = """id, organization_id, actor, action, subject_type, subject_id, outcome, request_id, detail, created_at,
CASE WHEN actor IN ('user:' || %(user)s::text, 'operator:' || %(user)s::text) THEN address END AS address"""
OF_PERSON = """(actor IN ('user:' || %(user)s::text, 'operator:' || %(user)s::text)
OR subject_type = 'user' AND subject_id = %(user)s::text)"""
AUDIT = Holding(
    "audit",
    claims=("audit.Entry.actor", "audit.Entry.subject_id"),
    lines=(
        Lines("audit", "audit_entry", ENTRY, f"{OF_PERSON} AND organization_id IS NOT NULL"),
        Lines("audit", "audit_entry", ENTRY, f"{OF_PERSON} AND organization_id IS NULL", tenant=False),
    ),
    kept={
        "audit entries": f"who did what must stay provable; they hold {PSEUDONYM}, and the network addresses of calls"
    },
)

OWN = (PROFILE, SETTINGS, ERASURES, ADMIN_LOG, SIGN_INS, IDENTITIES, ANSWERS, AUDIT)
