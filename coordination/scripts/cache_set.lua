-- KEYS are pairs: an entry, and who computes it. ARGV: for how long the entries are fresh, for how long they are kept
-- (both in milliseconds), the lease's token or nothing, and the JSON text of each value.
--
-- With a token nothing is stored unless it is that of the lease. Whatever is stored ends the lease: who still computes
-- knows less than what is stored now.
local EVERYBODY, token = 999999999, ARGV[3]
local head = string.format('{"fresh_until":%.0f,"value":', now + ARGV[1])
for index = 1, #KEYS, 2 do
  if token ~= '' and redis.call('GET', KEYS[index + 1]) ~= token then return 0 end
  redis.call('SET', KEYS[index], head .. ARGV[3 + (index + 1) / 2] .. '}', 'PX', ARGV[2])
  if redis.call('DEL', KEYS[index + 1]) == 1 then redis.call('PUBLISH', KEYS[index], EVERYBODY) end
end
return 1
