-- All of the messages or none. ARGV: defaults, the queue's name, most queues, the digest of what may be repeated or an
-- empty text, for how many milliseconds; then id, delay in milliseconds and body of each message.
--
-- What may be repeated has a key more, which holds the digest of what was pushed.
local DONE, digest = KEYS[8], ARGV[4]
local done = DONE and redis.call('GET', DONE)
if done then return {done == digest and 'ok' or 'other'} end
local settings = queue_settings(ARGV[1])
local count = (#ARGV - 5) / 3
for index = 8, #ARGV, 3 do
  if #ARGV[index] > settings.max_message_bytes then return {'large', #ARGV[index], settings.max_message_bytes} end
end
local length = redis.call('ZCARD', DELAYED)
if queue_exists() then length = length + redis.call('XLEN', QUEUE) + redis.call('XLEN', DEAD) end
if length + count > settings.max_length then return {'full', length, settings.max_length} end
if not queue_make(ARGV[2], ARGV[3]) then return {'limit', ARGV[3]} end
local now, due, ready, earliest = queue_now(), queue_due(), 0, nil
local pushed = queue_number(now)
for index = 6, #ARGV, 3 do
  local id, delay, body = ARGV[index], tonumber(ARGV[index + 1]), ARGV[index + 2]
  if delay == 0 then
    queue_add(id, pushed, body)
    ready = ready + 1
  else
    redis.call('ZADD', DELAYED, queue_number(now + delay), id .. ' ' .. pushed .. ' ' .. body)
    if not earliest or now + delay < earliest then earliest = now + delay end
  end
end
if earliest and (not due or earliest < due) then
  -- Whoever waits knows of something later, or of nothing.
  redis.call('PUBLISH', QUEUE, EVERYONE)
elseif ready > 0 then
  redis.call('PUBLISH', QUEUE, ready)
end
if DONE then redis.call('SET', DONE, digest, 'PX', ARGV[5]) end
return {'ok'}
