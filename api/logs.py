"""Structured logs: one JSON object a line, with request id, organization and actor."""

import logging
import time
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from audit.origin import current_origin


class JSONFormatter(JsonFormatter):
    """Format a record as JSON. Bodies, headers and query strings never get here, so no secret does."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        origin = current_origin()
        log_data |= {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": origin.request_id,
            "organization": origin.organization,
            "actor": origin.actor,
        }
        super().add_fields(log_data, record, message_dict)
        # Django attaches the request object to its own records.
        log_data.pop("request", None)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return time.strftime(datefmt or "%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
