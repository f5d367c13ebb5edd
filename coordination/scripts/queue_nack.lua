-- ARGV: defaults, entry, attempt, milliseconds until it may be delivered again.
if not queue_exists() then return {'missing'} end
local entry, attempt, delay = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local worth = queue_receipt(entry, attempt)
if worth == 'stale' then return {'stale', {0}} end
if worth ~= 'held' then return {'ok', worth, '0'} end
if attempt >= queue_settings(ARGV[1]).max_attempts then
  redis.call('ZREM', LEASES, entry)
  queue_bury(entry, attempt, 'nacked')
  return {'ok', 'dead', '0'}
end
local now, due = queue_now(), queue_due()
redis.call('ZREM', LEASES, entry)
redis.call('ZADD', RETURNED, queue_number(now + delay), entry)
if delay == 0 then
  redis.call('PUBLISH', QUEUE, 1)
elseif now + delay < due then
  redis.call('PUBLISH', QUEUE, EVERYONE)
end
return {'ok', delay == 0 and 'ready' or 'delayed', queue_number(now + delay)}
