"""Two threads of the service, each for one organization, taking turns behind a pooler. Prints what each saw."""

import json
import sys
import threading
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402  (after the setup)

from orgs import functions, tenancy  # noqa: E402

ROUNDS = 25
turn = threading.Barrier(2)


def rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def look(mine: str, own_task: str, other_task: str, seen: dict[str, set[Any]]) -> None:
    for _ in range(ROUNDS):
        turn.wait(10)
        with tenancy.organization(mine):  # type: ignore[arg-type]
            seen["organizations"] |= {str(found) for (found,) in rows("SELECT organization_id FROM tasks_task")}
            seen["servers"] |= set(rows("SELECT pg_backend_pid()"))
        for task in (own_task, other_task):
            if functions.find("SELECT * FROM tasks_get(%s, %s, 5)", [mine, task]) is not None:
                seen["tasks"].add(task)
        seen["outside"] |= set(rows("SELECT count(*), current_user::text FROM tasks_task"))


def main(first: str, first_task: str, second: str, second_task: str) -> None:
    names = ("organizations", "tasks", "servers", "outside")
    seen: list[dict[str, set[Any]]] = [{name: set() for name in names} for _ in range(2)]
    threads = [
        threading.Thread(target=look, args=(first, first_task, second_task, seen[0])),
        threading.Thread(target=look, args=(second, second_task, first_task, seen[1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps([{name: sorted(found) for name, found in one.items()} for one in seen]))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
