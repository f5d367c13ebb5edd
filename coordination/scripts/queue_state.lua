-- ARGV: defaults. Changes nothing.
if not queue_exists() then return {'missing'} end
local settings, now = queue_settings(ARGV[1]), queue_now()
local function counts(key)
  local due = redis.call('ZCOUNT', key, '-inf', queue_number(now))
  return due, redis.call('ZCARD', key) - due
end
local due, later = counts(DELAYED)
local expired, held = counts(LEASES)
local again, returned = counts(RETURNED)
-- What is due is ready, though only the next pop moves it.
local ready = redis.call('XLEN', QUEUE) - held - returned + due
local oldest = redis.call('XRANGE', QUEUE, '-', '+', 'COUNT', 1)
local pushed = tonumber(oldest[1] and oldest[1][2][4] or now)
if due > 0 then
  -- The one that has been due for longest goes to the stream next.
  pushed = math.min(pushed, tonumber(string.match(queue_first(DELAYED), '^%S+ (%d+) ')))
end
return {'ok', ready, later + returned, held, redis.call('XLEN', DEAD), queue_number(now - pushed),
  settings.max_length, settings.max_message_bytes, settings.max_attempts, queue_number(settings.visibility_ms)}
