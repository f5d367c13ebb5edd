"""Reading and writing JSON exactly, without HTTP."""

import gc
import json
import re
from decimal import Decimal

import pytest
import simplejson
from hypothesis import given, settings

from api import documents
from tests.api.json_texts import json_documents, json_texts


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993",
        "-123456789012345678901234567890",
        "0.1234567890123456789012345678901234567890",
        "1E+23",
        "1E-400",
        "1E-4300",
        "0E+4300",
        "-0",
        "-0.0",
        '[0,-0,{"a":-0,"b":"-0,"},1,-10]',
        "1.0",
        "1.10",
        "1E+308",
        "0E-30",
        "5" * 4300,
        '""',
        '{"":{"":[]}}',
        '"\u2028\u2029"',
        '"\U0001f600\U0010ffff"',
        '"\ufeff\ufffe\uffff"',
        '"e\u0301 \u00e9"',
        '"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f"',
        '[true,false,null,1,1.0,"1"]',
    ],
)
def test_what_was_read_is_written_back_equal(text: str) -> None:
    document = documents.parse(text.encode())

    written = documents.dumps(document)

    assert documents.parse(written.encode()) == document
    assert json.loads(written) == json.loads(text)


def test_a_number_keeps_its_trailing_zeros_and_exponent() -> None:
    assert documents.dumps(documents.parse(b"[1.10,1e23,-0.0,100E-3]")) == "[1.10,1E+23,-0.0,0.100]"


def test_parse_gives_integers_and_decimals() -> None:
    assert documents.parse(b'{"a":9007199254740993,"b":0.12345678901234567890}') == {
        "a": 9007199254740993,
        "b": Decimal("0.12345678901234567890"),
    }


@given(json_documents())
@settings(max_examples=100, deadline=None)
def test_any_document_survives_writing_and_reading(document: object) -> None:
    written = documents.dumps(document)

    read = documents.parse(written.encode())

    # Comparing texts tells 1 from 1.0 and True, and 0.0 from -0.0.
    assert documents.dumps(read) == written


@given(json_documents())
@settings(max_examples=100, deadline=None)
def test_a_document_sent_with_escapes_only_is_the_same_document(document: object) -> None:
    escaped = simplejson.dumps(document, use_decimal=True, ensure_ascii=True).encode()

    assert documents.dumps(documents.parse(escaped)) == documents.dumps(document)


@given(json_texts())
@settings(max_examples=150, deadline=None)
def test_a_text_is_either_refused_or_read_as_json_loads_reads_it(text: str) -> None:
    try:
        read = documents.parse(text.encode())
    except documents.InvalidJSON:
        return

    assert json.loads(documents.dumps(read)) == json.loads(text)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"nul",
        b"{",
        b'{"a":1,}',
        b"[1 2]",
        b"'a'",
        b'{"a":1}x',
        b"[01]",
        b"[+1]",
        b"[.5]",
        b"[1.]",
        b'["\t"]',
        b'["\x00"]',
        b"\x00",
        b'["\\x41"]',
        b'["\\u00"]',
    ],
)
def test_parse_refuses_what_is_not_json(raw: bytes) -> None:
    with pytest.raises(documents.InvalidJSON):
        documents.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"NaN",
        b"[NaN]",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b"1" + b"0" * 400 + b".0",
        b"1e-99999999999999999999",
        b"0e99999999999999999999",
        b"1" * 4301,
        b"-" + b"1" * 5000,
        b"0." + b"1" * 5000,
    ],
)
def test_parse_refuses_numbers_that_readers_cannot_hold(raw: bytes) -> None:
    with pytest.raises(documents.InvalidJSON):
        documents.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'[{"b":{"":1,"":2}}]', b'{"a":{"b":1,"c":2,"b":3},"d":1}'],
)
def test_parse_refuses_a_name_that_stands_twice(raw: bytes) -> None:
    with pytest.raises(documents.InvalidJSON, match="stands twice"):
        documents.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'["\\u0000"]',
        b'{"\\u0000":1}',
        b'{"a":{"b\\u0000c":1}}',
        b'["\\\\\\u0000"]',
        b'["\\ud800"]',
        b'["\\uDFFF"]',
        b'{"\\udc00\\ud800":1}',
        b'["\\ud83dx"]',
    ],
)
def test_parse_refuses_escaped_nul_and_lone_surrogates(raw: bytes) -> None:
    with pytest.raises(documents.InvalidJSON):
        documents.parse(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'["\\\\u0000"]', ["\\u0000"]),
        (b'{"\\\\ud800":1}', {"\\ud800": 1}),
        (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
    ],
)
def test_parse_takes_escapes_that_only_look_like_those(raw: bytes, value: object) -> None:
    assert documents.parse(raw) == value


@pytest.mark.parametrize(
    "raw", [b"\xff", b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x80"', b'\xef\xbb\xbf{"a":1}']
)
def test_parse_refuses_what_is_not_plain_utf8(raw: bytes) -> None:
    with pytest.raises(documents.InvalidJSON):
        documents.parse(raw)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_parse_takes_64_levels_and_refuses_65(opening: bytes) -> None:
    closing = {b"[": b"]", b'{"a":': b"}"}[opening]

    documents.parse(opening * 63 + b"[]" + closing * 63)

    with pytest.raises(documents.InvalidJSON, match="64 levels"):
        documents.parse(opening * 64 + b"[]" + closing * 64)


def test_parse_refuses_a_million_levels() -> None:
    with pytest.raises(documents.InvalidJSON, match="levels"):
        documents.parse(b"[" * 1_000_000)


def test_brackets_inside_strings_are_no_levels() -> None:
    assert documents.parse(b'["' + b"[{" * 100 + b'"]') == ["[{" * 100]


def test_a_decimal_never_becomes_an_integer() -> None:
    assert documents.dumps(documents.parse(b"[1e0,-0e0,2.5e1,1e2]")) == "[1.0,-0.0,25.0,1E+2]"


MANY = documents.MAX_COSTLY


@pytest.mark.parametrize("value", ["{}", "[]", "0.5", "-0"])
def test_a_million_costly_values_are_read(value: str) -> None:
    # The outer array is one of them.
    text = f"[{','.join([value] * (MANY - 1))}]"

    assert len(documents.parse(text.encode())) == MANY - 1


@pytest.mark.parametrize("value", ["{}", "[]", "0.5", '{"a":1}', "[1]", "1e5"])
def test_more_costly_values_are_refused(value: str) -> None:
    text = f"[{','.join([value] * (MANY + 1))}]"

    with pytest.raises(documents.TooManyValues, match="more than 1,000,000 objects, arrays or decimal numbers"):
        documents.parse(text.encode())


def test_values_that_cost_nothing_are_not_counted() -> None:
    text = '["{,[0.5",1]'.replace("1", ",".join(["1"] * 2 * MANY))

    assert len(documents.parse(text.encode())) == 2 * MANY + 1


def test_the_collector_runs_again_after_a_large_document() -> None:
    documents.parse(b"[" + b"1," * MANY + b"1]")

    assert gc.isenabled()


def test_a_stored_document_is_read_as_it_was_written() -> None:
    document = documents.parse(b'{"a":[1.10,1e23,-0.0,12345678901234567890],"b":{"":null}}')

    assert documents.dumps(documents.read(documents.dumps(document))) == documents.dumps(document)


@given(json_documents())
@settings(max_examples=100, deadline=None)
def test_both_encoders_write_the_same(document: object) -> None:
    exact = documents._encoder.encode(document)

    assert documents.dumps(document) == exact


@pytest.mark.parametrize("text", ["-0", "[-0]", "[ -0 ,1]", '{"a":-0}', "[-0\n]"])
def test_the_sign_of_zero_is_read_again_from_what_was_written(text: str) -> None:
    written = documents.dumps(documents.parse(text.encode()))

    assert written == re.sub(r"\s", "", text)
    assert documents.dumps(documents.read(written)) == written
