"""The page about the limits says of each what the table says."""

from coordination.api_limits.table import TABLE
from tests.orgs.servers import CHECKOUT

PAGE = CHECKOUT / "docs" / "explanation" / "api-rate-limits.md"


def test_the_page_has_the_table() -> None:
    rows = [
        f"| `{limit.name}` | {limit.counted} | `{limit.setting}` | {limit.without_valkey} | {limit.about} |"
        for limit in TABLE.values()
    ]

    lines = PAGE.read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line.startswith("| `") and "RATE_LIMIT" in line] == rows


def test_who_guesses_is_refused_without_valkey() -> None:
    assert {name for name, limit in TABLE.items() if limit.without_valkey == "closed"} == {"sign-in", "secrets"}
