-- ARGV: limit, window in microseconds, cost, 1 to spend or 0 to look.
-- Returns whether the cost fits, what remains, microseconds until it fits, microseconds until nothing is spent.
local limit, cost = tonumber(ARGV[1]), tonumber(ARGV[3])
local log = window_read(KEYS[1], limit, tonumber(ARGV[2]), window_now())
local delay = window_delay(log, cost)
if delay == 0 and ARGV[4] == '1' then window_spend(log, cost, 0) end
return {delay == 0 and 1 or 0, math.max(0, limit - log.spent), delay, window_reset(log)}
