"""Reading from an issuer that may answer anything, late, or never."""

import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from accounts.oidc.fetching import MOST_BYTES, Unreachable, fetch
from tests.accounts.oidc.local_issuer import KEYS_PATH, LocalIssuer, Reply, local_issuer
from tests.orgs.servers import free_port

JSON = {"Content-Type": "application/json"}


def _reason(issuer: LocalIssuer, reply: Reply, seconds: float = 3.0) -> str:
    issuer.replies["/it"] = reply
    with pytest.raises(Unreachable) as refused:
        fetch(f"{issuer.url}/it", seconds=seconds)
    return str(refused.value)


def test_a_document_comes_as_it_is(issuer: LocalIssuer) -> None:
    fetched = fetch(issuer.url + KEYS_PATH)

    assert fetched.raw == issuer.replies[KEYS_PATH].body
    assert fetched.max_age is None


@pytest.mark.parametrize(
    ("stated", "max_age"),
    [("max-age=90", 90), ("public, Max-Age=90, must-revalidate", 90), ("s-maxage=90", None), ("no-store", None)],
)
def test_the_age_that_is_stated_is_told(issuer: LocalIssuer, stated: str, max_age: int | None) -> None:
    issuer.replies["/it"] = Reply(b"{}", headers=JSON | {"Cache-Control": stated})

    assert fetch(f"{issuer.url}/it").max_age == max_age


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": kind} for kind in ("application/jwk-set+json", "text/plain", "application/octet-stream")] + [{}],
)
def test_what_an_answer_is_called_does_not_matter(issuer: LocalIssuer, headers: dict[str, str]) -> None:
    issuer.replies["/it"] = Reply(b"{}", headers=headers)

    assert fetch(f"{issuer.url}/it").raw == b"{}"


@pytest.mark.parametrize("status", [204, 304, 400, 404, 500, 503])
def test_only_success_is_taken(issuer: LocalIssuer, status: int) -> None:
    assert _reason(issuer, Reply(status=status)) == f"it answered {status}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(issuer: LocalIssuer, status: int) -> None:
    elsewhere = Reply(status=status, headers={"Location": issuer.url + KEYS_PATH})

    assert _reason(issuer, elsewhere) == f"it answered {status}"
    assert issuer.asked == ["/it"]


def test_an_answer_is_bounded(issuer: LocalIssuer) -> None:
    assert _reason(issuer, Reply(b" " * (MOST_BYTES + 1))).startswith("its answer is larger than")


def test_an_answer_that_never_comes_is_given_up(issuer: LocalIssuer) -> None:
    begun = time.monotonic()

    assert _reason(issuer, Reply(never=True), 0.3) == "it did not answer in time"
    assert time.monotonic() - begun < 3


def test_an_answer_that_drips_is_given_up(issuer: LocalIssuer) -> None:
    begun = time.monotonic()

    assert _reason(issuer, Reply(b" " * 1000, drips=True), 0.3) == "it did not answer in time"
    assert time.monotonic() - begun < 3


def test_a_closed_port_is_told_by_its_kind_alone(issuer: LocalIssuer) -> None:
    url = f"http://{urlsplit(issuer.url).hostname}:{free_port()}/keys"

    with pytest.raises(Unreachable, match=r"^the connection failed \(ConnectionRefusedError\)$"):
        fetch(url)


def test_an_issuer_without_tls_is_no_issuer_with_it(issuer: LocalIssuer) -> None:
    with pytest.raises(Unreachable, match="the connection failed"):
        fetch(issuer.url.replace("http://", "https://") + KEYS_PATH)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that nobody but itself has signed, in one file with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = made.add_extension(addresses, critical=False).sign(key, hashes.SHA256())
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    place = tmp_path_factory.mktemp("tls") / "certificate.pem"
    place.write_bytes(key.private_bytes(*form) + signed.public_bytes(Encoding.PEM))
    return place


@pytest.fixture
def behind_tls(certificate: Path) -> Iterator[LocalIssuer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with local_issuer(context) as running:
        yield running


def test_an_issuer_is_known_by_its_certificate(
    behind_tls: LocalIssuer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert fetch(behind_tls.url + KEYS_PATH).raw == behind_tls.replies[KEYS_PATH].body


def test_one_whose_certificate_nobody_vouches_for_is_not_read(behind_tls: LocalIssuer) -> None:
    with pytest.raises(Unreachable, match=r"the connection failed \(SSLCertVerificationError\)"):
        fetch(behind_tls.url + KEYS_PATH)
    assert behind_tls.asked == []


def test_an_answer_that_drips_through_tls_is_given_up(
    behind_tls: LocalIssuer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    behind_tls.replies["/it"] = Reply(b" " * 1000, drips=True)

    with pytest.raises(Unreachable, match="it did not answer in time"):
        fetch(f"{behind_tls.url}/it", seconds=0.5)
