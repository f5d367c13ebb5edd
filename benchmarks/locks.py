"""Acquiring and releasing a lock, ours and the libraries'.

Theirs give a token and no number: what our answer adds is part of what is measured.
"""

from collections.abc import Callable

import redis
from django.conf import settings
from django_redis.cache import RedisCache

from coordination.connections import Connection
from coordination.locks import Locks, clock_epoch

TTL_SECONDS = 60


def ours(client: redis.Redis, word: str) -> Callable[[int], object]:
    locks = Locks(Connection(lambda: client), None, next_epoch=clock_epoch)

    def ask(number: int) -> object:
        lock = locks.acquire(word, str(number), TTL_SECONDS)
        locks.release(word, str(number), lock.token)
        return lock.number

    return ask


def of_redis_py(client: redis.Redis, word: str) -> Callable[[int], object]:
    def ask(number: int) -> object:
        lock = client.lock(f"{word}:{number}", timeout=TTL_SECONDS, blocking=False)
        assert lock.acquire()
        lock.release()
        return lock

    return ask


def of_django_redis(client: redis.Redis, word: str) -> Callable[[int], object]:
    if not settings.configured:
        settings.configure()
    known = client.connection_pool.connection_kwargs
    url = f"redis://:{known.get('password') or ''}@{known['host']}:{known['port']}/{known.get('db', 0)}"
    cache = RedisCache(url, {})

    def ask(number: int) -> object:
        lock = cache.lock(f"{word}:{number}", timeout=TTL_SECONDS, blocking=False)
        assert lock.acquire()
        lock.release()
        return lock

    return ask
