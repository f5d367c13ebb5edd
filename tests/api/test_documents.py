from decimal import Decimal

import pytest

from api import documents


def test_parse_keeps_integers_and_decimals_exactly() -> None:
    assert documents.parse(b'{"a":9007199254740993,"b":0.12345678901234567890}') == {
        "a": 9007199254740993,
        "b": Decimal("0.12345678901234567890"),
    }


@pytest.mark.parametrize(
    "raw", [b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b'{"a":1,"a":1}', b"\xff", b"[" * 70 + b"]" * 70]
)
def test_parse_refuses_what_others_read_differently(raw: bytes) -> None:
    with pytest.raises(documents.InvalidJSON):
        documents.parse(raw)
