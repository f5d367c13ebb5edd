-- ARGV: 'waiting', 'dead' or 'all'. Answers how many went, and how many of what waits are left for another call.
if not queue_exists() then return {'missing'} end
local what, gone = ARGV[1], 0

local function empty(key, count)
  gone = gone + count
  redis.call('UNLINK', key)
end

if what ~= 'waiting' then empty(DEAD, redis.call('XLEN', DEAD)) end
if what == 'dead' then return {'ok', gone, 0} end
empty(DELAYED, redis.call('ZCARD', DELAYED))
if what == 'all' or redis.call('ZCARD', LEASES) + redis.call('ZCARD', RETURNED) == 0 then
  -- At once, however many there are. The stream's last id stays: no entry ever has that of another.
  local last = queue_field(redis.call('XINFO', 'STREAM', QUEUE), 'last-generated-id')
  empty(QUEUE, redis.call('XLEN', QUEUE))
  redis.call('UNLINK', LEASES, RETURNED)
  redis.call('XGROUP', 'CREATE', QUEUE, GROUP, '0', 'MKSTREAM')
  if last ~= '0-0' then redis.call('XSETID', QUEUE, last) end
  return {'ok', gone, 0}
end
for _, entry in ipairs(redis.call('ZRANGE', RETURNED, 0, MOST * 5 - 1)) do
  redis.call('ZREM', RETURNED, entry)
  gone = gone + queue_forget(entry)
end
local from, looked, bytes = '(' .. queue_delivered(), 0, 0
while looked < MOST * 5 and bytes < BYTES do
  local entry = redis.call('XRANGE', QUEUE, from, '+', 'COUNT', 1)[1]
  if not entry then break end
  gone = gone + redis.call('XDEL', QUEUE, entry[1])
  from, looked, bytes = '(' .. entry[1], looked + 1, bytes + #entry[2][6]
end
return {'ok', gone, redis.call('XLEN', QUEUE) - redis.call('ZCARD', LEASES)}
