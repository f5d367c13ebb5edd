-- A sliding-window log. One list per limit: an entry "time:before:cost" for what was spent at a time (microseconds of
-- the server's clock), after `before` in all. Entries are in the order of their times, so what is spent within the
-- window is the difference of two sums, whatever was spent between them.
--
-- Of a limit above EXACT the times are rounded up to window/EXACT: the log never has more than about EXACT entries, and
-- what was spent leaves the window that little later, never earlier. So no window ever holds more than the limit. A
-- clock that is set back, or that of another server, has what was spent leave later too.
local EXACT = 4096

local function window_now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function window_entry(key, index)
  local text = redis.call('LINDEX', key, index)
  if not text then return nil end
  local time, before, cost = string.match(text, '^(%d+):(%d+):(%d+)$')
  return {time = tonumber(time), before = tonumber(before), cost = tonumber(cost)}
end

local function window_format(number)
  return string.format('%.0f', number)
end

-- The log as it stands: what is spent, and at which index the entries begin that still count. Changes nothing.
local function window_read(key, limit, window, now)
  local log = {key = key, limit = limit, window = window, step = 1, now = now,
    spent = 0, first = 0, length = 0}
  if limit > EXACT then log.step = math.ceil(window / EXACT) end
  local last = window_entry(key, -1)
  if not last then return log end
  log.last = last
  log.length = redis.call('LLEN', key)
  local total = last.before + last.cost
  local low, high = 0, log.length
  local head = window_entry(key, 0)
  if head.time > log.now - window then
    high = 0
  end
  -- The first entry that has not left the window.
  while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = window_entry(key, middle)
    if entry.time > log.now - window then
      high = middle
    else
      low = middle + 1
    end
  end
  log.first = low
  if low < log.length then
    head = low == 0 and head or window_entry(key, low)
    log.spent = total - head.before
    log.head = head
  end
  return log
end

-- Microseconds until `cost` more will fit: 0 when it does now, -1 when it never will.
local function window_delay(log, cost)
  if cost > log.limit then return -1 end
  local excess = log.spent + cost - log.limit
  if excess <= 0 then return 0 end
  -- The entry with which so much has left.
  local low, high = log.first, log.length - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = window_entry(log.key, middle)
    if entry.before + entry.cost - log.head.before >= excess then
      high = middle
    else
      low = middle + 1
    end
  end
  return window_entry(log.key, low).time + log.window - log.now
end

-- Microseconds until nothing is spent any more.
local function window_reset(log)
  if log.spent == 0 then return 0 end
  return log.last.time + log.window - log.now
end

-- Writes down that `cost` is spent `later` microseconds from now at the latest. The caller has found that it fits.
local function window_spend(log, cost, later)
  local key, time = log.key, math.ceil((log.now + later) / log.step) * log.step
  local before = 0
  if log.first >= log.length then
    redis.call('DEL', key)
  else
    if log.first > 0 then redis.call('LTRIM', key, log.first, -1) end
    time = math.max(time, log.last.time)
    before = log.last.before + log.last.cost
  end
  local entry = window_format(time) .. ':' .. window_format(before) .. ':' .. window_format(cost)
  if before > 0 and log.last.time == time then
    local merged = log.last
    entry = window_format(time) .. ':' .. window_format(merged.before) .. ':' .. window_format(merged.cost + cost)
    redis.call('LSET', key, -1, entry)
    log.last = {time = time, before = merged.before, cost = merged.cost + cost}
  else
    redis.call('RPUSH', key, entry)
    log.last = {time = time, before = before, cost = cost}
  end
  redis.call('PEXPIRE', key, math.ceil((time + log.window - log.now) / 1000))
  log.spent = log.spent + cost
end
