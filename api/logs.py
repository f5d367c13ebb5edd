"""Structured logs: one JSON object a line, with request id, organization and actor.

Ours rather than a library's: each request writes a line, and python-json-logger took 45 of the 70 µs that one cost,
a tenth of a message append.
"""

import json
import logging
import time

from audit.origin import current_origin

# What every record has, and what Django attaches to its own; anything else is a field of the line.
OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request", "taskName"}


class JSONFormatter(logging.Formatter):
    """Format a record as JSON. Bodies, headers and query strings never get here, so no secret does."""

    def format(self, record: logging.LogRecord) -> str:
        origin = current_origin()
        line = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": origin.request_id,
            "organization": origin.organization,
            "actor": origin.actor,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", None) or {
            name: value for name, value in vars(record).items() if name not in OWN
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
