-- KEYS: an entry, and who computes it. ARGV: a token, and for how long its lease would be, in milliseconds.
--
-- Returns the time, the entry, and for how long another computes still: nothing of the last where the entry is fresh,
-- and 0 where the lease is the token's now.
local entry = redis.call('GET', KEYS[1])
if entry and tonumber(string.match(entry, '^{"fresh_until":(%d+)')) >= now then return {now, entry, false} end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {now, entry, math.max(1, redis.call('PTTL', KEYS[2]))} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {now, entry, 0}
