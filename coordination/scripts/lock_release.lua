-- KEYS: the lock, until when others wait at most. ARGV: the token. Returns 1, or 0 where another token or none holds it.
local number, token = lock_read(KEYS[1])
if token ~= ARGV[1] then return 0 end
lock_free(KEYS[1], KEYS[2])
return 1
