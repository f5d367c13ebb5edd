-- ARGV: entry, attempt, milliseconds of visibility from now.
if not queue_exists() then return {'missing'} end
if queue_receipt(ARGV[1], ARGV[2]) ~= 'held' then return {'stale', {0}} end
local due, visible = queue_due(), queue_now() + tonumber(ARGV[3])
redis.call('ZADD', LEASES, queue_number(visible), ARGV[1])
if visible < due then redis.call('PUBLISH', QUEUE, EVERYONE) end
return {'ok', queue_number(visible)}
