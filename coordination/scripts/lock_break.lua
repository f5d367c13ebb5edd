-- KEYS: the lock, until when others wait at most. Returns 1, or 0 where nobody holds it.
if not lock_read(KEYS[1]) then return 0 end
lock_free(KEYS[1], KEYS[2])
return 1
