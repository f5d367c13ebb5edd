"""What a bad setting looks like to who typed the command: one sentence, before anything starts."""

import pytest

from tests.operations.service import PATIENCE, Service


def _refusal(service: Service, *arguments: str) -> str:
    process = service.command(*arguments)
    said, complained = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (1, "")
    assert len(complained.splitlines()) == 1, complained
    return complained


@pytest.mark.parametrize("name", ["WEB_THREADS", "SIGNUP", "TRUSTED_PROXIES", "SECRET_KEY", "OIDC_ISSUERS"])
def test_up_refuses_a_bad_setting_before_it_starts_anything(whole_service: Service, name: str) -> None:
    whole_service.extra[name] = "x"

    assert _refusal(whole_service, "up").startswith(f"manage.py: {name} ")
    assert not whole_service.var.exists()


@pytest.mark.parametrize("name", ["DB_PORT", "DB_PASS", "REDIS_PORT", "REDIS_PASSWORD"])
def test_up_refuses_half_an_address_by_the_name_that_was_given(whole_service: Service, name: str) -> None:
    whole_service.extra[name] = "5433"

    assert _refusal(whole_service, "up").startswith(f"manage.py: {name} needs ")


@pytest.mark.parametrize("name", ["absent", "manage.py"])
def test_up_refuses_a_folder_of_metrics_that_is_none(whole_service: Service, name: str) -> None:
    whole_service.extra["PROMETHEUS_MULTIPROC_DIR"] = str(whole_service.project / name)

    assert "PROMETHEUS_MULTIPROC_DIR is " in _refusal(whole_service, "up")
    assert not whole_service.var.exists()


def test_up_reads_settings_from_files_too(whole_service: Service) -> None:
    place = whole_service.project / "threads"
    place.write_text("65")
    whole_service.extra["WEB_THREADS_FILE"] = str(place)

    assert _refusal(whole_service, "up") == "manage.py: WEB_THREADS is 65; it must be between 1 and 64.\n"


@pytest.mark.parametrize("words", [["help"], ["check"], ["up", "--prepare"], ["createapikey", "default"]])
def test_every_command_refuses_a_bad_setting_in_a_sentence(whole_service: Service, words: list[str]) -> None:
    whole_service.extra |= {"SIGNUP": "ajar", "DATABASE_URL": "postgresql://me@db/app", "REDIS_URL": "redis://cache"}
    whole_service.extra["SECRET_KEY"] = "kT7-zQ9_wB3.xN5~vH1+rJ8*mD4!cF6^"

    said = _refusal(whole_service, *words)

    assert said == "manage.py: SIGNUP is 'ajar'; it must be one of open, closed.\n"
