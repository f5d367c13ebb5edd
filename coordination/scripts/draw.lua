-- Draws permits for calls of the API from several windows at once: from all of them, or from none.
-- ARGV: window in microseconds, permits wanted, microseconds within which they will be spent, then each key's limit.
-- Returns how many were drawn, and for each key what remains, microseconds until one fits and until nothing is spent.
-- Never more than this part of what remains of any limit; but one, where one fits.
local SHARE = 64
local window, granted = tonumber(ARGV[1]), tonumber(ARGV[2])
local now, logs, delays = window_now(), {}, {}
for index, key in ipairs(KEYS) do
  local log = window_read(key, tonumber(ARGV[3 + index]), window, now)
  logs[index], delays[index] = log, window_delay(log, 1)
  granted = math.min(granted, math.max(1, math.floor((log.limit - log.spent) / SHARE)))
end
for index in ipairs(KEYS) do
  if delays[index] ~= 0 then granted = 0 end
end
-- One is spent now. Of several the last may be spent at the end of their time.
local later = granted > 1 and tonumber(ARGV[3]) or 0
local answer = {granted}
for index, log in ipairs(logs) do
  if granted > 0 then window_spend(log, granted, later) end
  answer[#answer + 1] = math.max(0, log.limit - log.spent)
  answer[#answer + 1] = delays[index]
  answer[#answer + 1] = window_reset(log)
end
return answer
