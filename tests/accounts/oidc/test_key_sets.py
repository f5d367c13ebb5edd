"""Keys as a process keeps them: how long, when they are read anew, and what a lost or hostile party can bring about."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Semaphore, Thread

import pytest

from accounts.oidc import key_sets
from accounts.oidc.fetching import Unreachable
from accounts.oidc.issuers import Issuer
from accounts.oidc.key_sets import FileKeys, KeysUnavailable, RemoteKeys, fetch_keys, read_discovery
from tests.accounts.oidc.local_issuer import AUDIENCE, DISCOVERY_PATH, KEYS_PATH, LocalIssuer, Reply, make_key
from tests.accounts.oidc.place import ISSUER, PATIENT, Place, document


def _in_thread(work: Callable[[], object]) -> tuple[Thread, list[object]]:
    results: list[object] = []
    thread = Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


def test_keys_are_read_once_and_believed() -> None:
    place = Place()

    assert [place.has("one") for _ in range(5)] == [True] * 5
    assert place.reads == 1


def test_after_their_time_keys_are_read_anew_in_the_background() -> None:
    place = Place()
    assert place.has("one")
    place.now += key_sets.BELIEVED_SECONDS
    place.let_go.clear()

    assert place.has("one")

    place.let_go.set()
    place.settle()
    assert place.reads == 2


def test_after_twice_their_time_keys_are_read_before_they_are_used() -> None:
    place = Place()
    assert place.has("one")
    place.now += 2 * key_sets.BELIEVED_SECONDS
    place.published = [make_key("two")]

    assert not place.has("one")


@pytest.mark.parametrize(("stated", "believed"), [(1, 60), (90, 90), (10**9, 3600)])
def test_an_issuer_says_how_long_within_bounds(stated: int, believed: int) -> None:
    place = Place(max_age=stated)
    assert place.has("one")

    place.now += believed - 1
    assert place.has("one")
    assert place.reads == 1
    place.now += 1
    assert place.has("one")
    place.settle()
    assert place.reads == 2


def test_a_new_key_is_found_at_once() -> None:
    place = Place()
    assert place.has("one")
    place.now += 1
    place.published.append(make_key("two"))

    assert place.has("two")
    assert place.has("one")
    assert place.reads == 2


def test_a_key_that_is_taken_back_is_gone_with_the_next_read() -> None:
    place = Place()
    assert place.has("one")
    place.now += 1
    place.published = [make_key("two")]

    assert place.has("two")
    assert not place.has("one")


def test_a_read_that_began_before_the_token_came_does_not_tell_that_its_key_is_unknown() -> None:
    place = Place()
    assert place.has("one")
    place.now += key_sets.BELIEVED_SECONDS
    place.let_go.clear()
    place.begun.clear()
    assert place.has("one")
    assert place.begun.wait(30)
    # The read under way has seen the old keys only.
    place.now += 1
    place.published = [make_key("two")]

    thread, found = _in_thread(lambda: place.has("two"))
    place.let_go.set()
    thread.join(30)

    assert found == [True]


def test_one_thread_reads_while_others_wait_for_it() -> None:
    place = Place()
    place.let_go.clear()
    waiting = [_in_thread(lambda: place.has("one")) for _ in range(8)]
    assert place.begun.wait(30)

    place.let_go.set()
    for thread, _ in waiting:
        thread.join(30)

    assert [found for _, found in waiting] == [[True]] * 8
    assert place.reads == 1


def test_a_lost_issuer_leaves_its_keys_in_force_for_a_day() -> None:
    place = Place()
    assert place.has("one")
    place.down = True

    place.now += key_sets.STALE_SECONDS - 1
    assert place.has("one")
    place.now += 2
    with pytest.raises(KeysUnavailable):
        place.has("one")


def test_a_lost_issuer_is_left_alone_for_a_while() -> None:
    place = Place(down=True)

    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            place.has("one")
    assert place.reads == 1


def test_an_issuer_that_is_back_is_asked_again() -> None:
    place = Place(down=True)
    with pytest.raises(KeysUnavailable):
        place.has("one")
    place.down = False
    place.now += key_sets.RETRY_SECONDS

    assert place.has("one")


def test_of_a_lost_issuer_it_cannot_be_told_whether_it_has_a_key() -> None:
    place = Place()
    assert place.has("one")
    place.now += 1
    place.down = True

    with pytest.raises(KeysUnavailable):
        place.has("two")
    assert place.has("one")


def test_what_is_no_key_set_leaves_the_keys_before_it_in_force(issuer: LocalIssuer) -> None:
    keys = RemoteKeys(_configured(issuer), Semaphore(PATIENT))
    assert keys.find("ES256", "first")
    issuer.replies[KEYS_PATH] = Reply(b"<html>")

    with pytest.raises(KeysUnavailable):
        keys.find("ES256", "second")
    assert keys.find("ES256", "first")


def _configured(issuer: LocalIssuer, path: str = "") -> Issuer:
    return Issuer(issuer.url, frozenset([AUDIENCE]), key_url=f"{issuer.url}{path}" if path else "")


def test_keys_are_where_the_discovery_document_says(issuer: LocalIssuer) -> None:
    assert fetch_keys(_configured(issuer)).raw == issuer.replies[KEYS_PATH].body
    assert issuer.asked == [DISCOVERY_PATH, KEYS_PATH]


def test_with_an_address_of_its_own_nothing_is_discovered(issuer: LocalIssuer) -> None:
    assert fetch_keys(_configured(issuer, KEYS_PATH)).raw == issuer.replies[KEYS_PATH].body
    assert issuer.asked == [KEYS_PATH]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"issuer": "https://other.example"}, "another issuer's"),
        ({"issuer": f"{ISSUER.name}/"}, "another issuer's"),
        ({"issuer": None}, "another issuer's"),
        ([], "another issuer's"),
        ({"jwks_uri": "http://other.example/keys"}, "must begin with https://"),
        ({"jwks_uri": "http://127.0.0.1/keys"}, "must begin with https:// as the issuer does"),
        ({"jwks_uri": "file:///etc/passwd"}, "is not an https:// URL"),
        ({"jwks_uri": None}, "is not an https:// URL"),
        ({"jwks_uri": 7}, "is not an https:// URL"),
    ],
)
def test_a_discovery_document_that_is_not_right_is_refused(given: object, reason: str) -> None:
    right = {"issuer": ISSUER.name, "jwks_uri": "https://keys.example/keys"}
    whole = right | given if isinstance(given, dict) else given

    with pytest.raises(Unreachable, match=reason):
        read_discovery(ISSUER, json.dumps(whole).encode())


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"issuer": "a", "issuer": "b"}', b"\xff"])
def test_a_discovery_document_is_strict_json(raw: bytes) -> None:
    with pytest.raises(Unreachable, match="not strict JSON"):
        read_discovery(ISSUER, raw)


def test_keys_may_be_at_another_host_than_the_issuer() -> None:
    document = {"issuer": ISSUER.name, "jwks_uri": "https://keys.example/keys"}

    assert read_discovery(ISSUER, json.dumps(document).encode()) == "https://keys.example/keys"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    place = tmp_path / "keys.json"
    place.write_bytes(document(make_key("one")))
    keys = FileKeys(place)
    assert keys.find("ES256", "one")

    place.write_bytes(document(make_key("one"), make_key("two")))

    assert keys.find("ES256", "two")


def test_a_file_that_takes_the_place_of_another_is_read(tmp_path: Path) -> None:
    place, new = tmp_path / "keys.json", tmp_path / "new.json"
    for path, key_id in ((place, "one"), (new, "two")):
        path.write_bytes(document(make_key(key_id)))
        os.utime(path, ns=(0, 0))
    keys = FileKeys(place)
    assert keys.find("ES256", "one")

    new.replace(place)

    assert keys.find("ES256", "two")


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("[")])
def test_a_spoiled_file_leaves_the_keys_before_it_in_force(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    place = tmp_path / "keys.json"
    place.write_bytes(document(make_key("one")))
    keys = FileKeys(place)
    assert keys.find("ES256", "one")

    spoil(place)

    assert keys.find("ES256", "one")


def test_without_a_file_there_are_no_keys(tmp_path: Path) -> None:
    with pytest.raises(KeysUnavailable):
        FileKeys(tmp_path / "nowhere.json").find("ES256", "one")
