-- Ends the lease on KEYS[2] if it is that of the token ARGV[1], and wakes one who waits for KEYS[1].
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', KEYS[1], 1)
return 1
