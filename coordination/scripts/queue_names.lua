-- The names of an organization's queues in the order of their bytes. ARGV: the name after which to begin, or an empty
-- text; how many.
return redis.call('ZRANGE', KEYS[1], ARGV[1] == '' and '-' or '(' .. ARGV[1], '+', 'BYLEX', 'LIMIT', 0, ARGV[2])
