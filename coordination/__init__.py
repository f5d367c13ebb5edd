"""What several agents and workers share for a moment: cache, rate limits, locks and queues, on Valkey or Redis."""

from coordination.manager import RedisCacheManager

__all__ = ["RedisCacheManager"]
