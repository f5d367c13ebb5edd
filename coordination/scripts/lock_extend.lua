-- KEYS: the lock. ARGV: the token, milliseconds from now. Returns {number, when it ends}, or nothing where another token
-- or none holds it.
local number, token = lock_read(KEYS[1])
if token ~= ARGV[1] then return false end
lock_end(KEYS[1], ARGV[2])
return {number, redis.call('PEXPIRETIME', KEYS[1])}
