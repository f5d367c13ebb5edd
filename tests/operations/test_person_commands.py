"""exportuser, eraseuser and verifyreceipt, and the job that carries erasures on."""

import io
import json
import os
import signal
import stat
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Erasure, User
from config.celery import app
from operations import jobs
from orgs import tenancy
from orgs.models import Organization
from orgs.services import person_erasing
from tests import factories


@pytest.fixture
def user(organization: Organization) -> User:
    return factories.make_member(organization)


def run(*words: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*map(str, words), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def erase(user: User) -> Erasure:
    """Erase the user, as if it had been asked for long ago."""
    begun = person_erasing.request_erasure(user.id, by="operator:shell", now=timezone.now() - timedelta(days=1))
    return person_erasing.carry_on(begun.id, now=timezone.now())


def is_there(user: User) -> bool:
    with tenancy.system():
        return User.objects.filter(id=user.id).exists()


@pytest.mark.parametrize("by", ["email", "id"])
def test_exportuser_writes_an_archive_that_its_owner_alone_reads(user: User, tmp_path: Path, by: str) -> None:
    target = tmp_path / "person.zip"

    _, progress = run("exportuser", getattr(user, by), "--to", target)

    assert user.email in zipfile.ZipFile(target).read("profile.json").decode()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "profile.json: 1" in progress
    assert list(tmp_path.iterdir()) == [target]


def test_exportuser_writes_over_nothing(user: User, tmp_path: Path) -> None:
    target = tmp_path / "person.zip"
    target.write_text("mine")

    with pytest.raises(CommandError, match="exists already"):
        run("exportuser", user.email, "--to", target)

    assert target.read_text() == "mine"


def test_exportuser_refuses_a_folder_that_is_not_there(user: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no folder"):
        run("exportuser", user.email, "--to", tmp_path / "none" / "person.zip")


@pytest.mark.parametrize("named", ["nobody@example.com", factories.UNKNOWN_ID])
@pytest.mark.parametrize("command", ["exportuser", "eraseuser"])
def test_an_unknown_user_is_told_so(tmp_path: Path, command: str, named: str) -> None:
    words = ["--to", tmp_path / "person.zip"] if command == "exportuser" else ["--yes"]

    with pytest.raises(CommandError, match="There is no user"):
        run(command, named, *words)


def test_exportuser_leaves_nothing_behind_when_it_is_told_to_stop(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("operations.management.commands.exportuser.Command._tell", stop)

    with pytest.raises(SystemExit):
        run("exportuser", user.email, "--to", tmp_path / "person.zip")

    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_eraseuser_shows_what_there_is_and_asks(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "no")

    with pytest.raises(CommandError, match="Nothing was erased"):
        run("eraseuser", user.email)

    with tenancy.system():
        assert User.objects.get(id=user.id).is_active


def test_eraseuser_erases_and_tells_when_the_last_sweep_is_due(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: user.email)

    said, told = run("eraseuser", user.email)

    assert said == ""
    assert "memberships: 1" in told
    assert f"manage.py eraseuser {user.id}" in told


def test_eraseuser_of_one_who_was_erased_prints_the_receipt(user: User) -> None:
    erasure = erase(user)

    said, _ = run("eraseuser", user.id)

    assert json.loads(said) == erasure.receipt
    assert not is_there(user)


def test_eraseuser_names_the_organizations_that_need_another_owner(organization: Organization) -> None:
    with pytest.raises(CommandError, match=organization.slug):
        run("eraseuser", organization.owner_id, "--yes")


def test_verifyreceipt_knows_its_own(user: User, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(erase(user).receipt))

    said, _ = run("verifyreceipt", file)

    assert "is genuine; the same is kept here" in said


@pytest.mark.parametrize("text", ['{"erased":{}}', "[]", "no", '{"signature":"é"}'])
def test_verifyreceipt_refuses_what_it_did_not_sign(tmp_path: Path, text: str) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(CommandError, match=r"not signed|cannot be read"):
        run("verifyreceipt", file)


def test_the_job_finishes_what_another_process_began(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.conf, "task_always_eager", True)
    person_erasing.request_erasure(user.id, by="operator:shell", now=timezone.now() - timedelta(days=1))

    jobs.finish_erasures()

    assert not is_there(user)


def test_the_job_leaves_an_erasure_that_is_too_young_for_later(user: User) -> None:
    begun = person_erasing.request_erasure(user.id, by="operator:shell", now=timezone.now())

    finished = jobs.carry_on_erasure(erasure_id=str(begun.id))

    assert not finished
    assert is_there(user)
