"""Hypothesis strategies for JSON: documents that must be kept, and texts that may be refused."""

import math

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from api import documents

NUMBER = r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?"


def _numbers() -> SearchStrategy[object]:
    tokens = st.from_regex(NUMBER, fullmatch=True).filter(lambda token: math.isfinite(float(token)))
    return tokens.map(lambda token: documents.parse(token.encode()))


def _strings() -> SearchStrategy[str]:
    """Any Unicode text but NUL; with a liking for what escapes and line ends are about."""
    anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
    return anything | st.text('\\"/\b\n\r\tu0\u2028\u2029\ufeff\ud7ff\ue000\uffff\U0001f600\U0010ffff', max_size=12)


def json_documents() -> SearchStrategy[object]:
    leaves = st.none() | st.booleans() | _numbers() | _strings()
    return st.recursive(
        leaves,
        lambda children: st.lists(children, max_size=5) | st.dictionaries(_strings(), children, max_size=5),
        max_leaves=25,
    )


def json_texts() -> SearchStrategy[str]:
    """Texts close to JSON: tokens in any order."""
    tokens = ["{", "}", "[", "]", ",", ":", '"a"', '"\\u0000"', '"\\ud800"', '"\\n"', "1", "-0", "1e400", "0.5", "NaN"]
    pieces = st.lists(st.sampled_from([*tokens, "true", "null", " ", '""', '"\x00"', "-", "e5"]), max_size=8)
    return pieces.map("".join) | json_documents().map(documents.dumps)
