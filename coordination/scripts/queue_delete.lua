-- ARGV: the queue's name.
local existed = queue_exists()
redis.call('UNLINK', QUEUE, DELAYED, LEASES, RETURNED, DEAD, SETTINGS)
redis.call('ZREM', NAMES, ARGV[1])
return {existed and 'ok' or 'missing'}
