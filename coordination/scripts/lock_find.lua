-- KEYS: the lock. Returns {number, milliseconds left, when it ends}, or nothing where nobody holds it. Changes nothing.
local number = lock_read(KEYS[1])
if not number then return false end
return {number, redis.call('PTTL', KEYS[1]), redis.call('PEXPIRETIME', KEYS[1])}
