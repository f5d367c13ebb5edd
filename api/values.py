"""Values as the OpenAPI document has them, and no others: pydantic alone would also take "5", true, "off" or 1.8e9."""

import math
import re
import uuid
from decimal import Decimal
from typing import Annotated, Any

from django.urls.converters import StringConverter
from pydantic import AwareDatetime, BeforeValidator, StrictBool
from pydantic_core import PydanticCustomError

DIGITS = re.compile(r"[0-9]+")
SIGNED_DIGITS = re.compile(r"-?[0-9]+")
NUMERAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
SUBJECT_ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# RFC 3339 §5.6, whose offset is not optional.
INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


class SubjectIdConverter(StringConverter):
    """A UUID in a path, in either case (RFC 9562 §4); Django's own converter knows lower case only."""

    regex = SUBJECT_ID.pattern


def _number(value: Any) -> Any:
    if type(value) is int or type(value) is Decimal:
        return value
    raise PydanticCustomError("int_type", "Input should be an integer")


def _any_number(value: Any) -> float:
    if type(value) is not int and type(value) is not Decimal:
        raise PydanticCustomError("float_type", "Input should be a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _signed_digits(value: Any) -> Any:
    if isinstance(value, str) and SIGNED_DIGITS.fullmatch(value):
        return value
    raise PydanticCustomError("int_parsing", "Input should be an integer, in digits alone")


def _numeral(value: Any) -> Any:
    if isinstance(value, str) and NUMERAL.fullmatch(value):
        return value
    raise PydanticCustomError("float_parsing", "Input should be a number")


def _digits(value: Any) -> Any:
    if isinstance(value, str) and DIGITS.fullmatch(value):
        return value
    raise PydanticCustomError("int_parsing", "Input should be an integer, in digits alone")


def _subject_id(value: Any) -> Any:
    if isinstance(value, str) and SUBJECT_ID.fullmatch(value):
        return value
    raise PydanticCustomError("uuid_parsing", "Input should be a UUID of 36 characters, with its hyphens alone")


def _instant(value: Any) -> Any:
    if isinstance(value, str) and INSTANT.fullmatch(value):
        return value
    raise PydanticCustomError("datetime_parsing", "Input should be a time as in RFC 3339, with its offset")


# To stand last in an Annotated[int, ...]: pydantic describes only bounds that stand before it by their right names.
# 5.0 is an integer too (JSON Schema, validation, §6.1.1), and 5.5 none.
INTEGER = BeforeValidator(_number)
# In a query, where all is text.
IN_DIGITS = BeforeValidator(_digits)
# The same where the bounds are for others to check: below zero, and with a fraction.
IN_SIGNED_DIGITS = BeforeValidator(_signed_digits)
IN_NUMERALS = BeforeValidator(_numeral)
# A number of any size; what is beyond a double is infinite, for whoever checks its bounds.
Number = Annotated[float, BeforeValidator(_any_number)]
Flag = StrictBool
SubjectId = Annotated[uuid.UUID, BeforeValidator(_subject_id)]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
