-- KEYS: the lock, until when others wait at most. ARGV: the token. Returns 1, or 0 where another token or none holds it.
local number, token = lock_read(KEYS[1])
if token ~= ARGV[1] then return 0 end
local left = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
-- One of those who wait is woken: it can be acquired once. The others go on waiting for the end that they know.
if redis.call('PUBLISH', KEYS[1], 1) > 0 and left > redis.call('PTTL', KEYS[2]) then
  redis.call('SET', KEYS[2], '', 'PX', left)
end
return 1
