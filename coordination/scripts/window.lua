-- A sliding-window log. One list per limit: an entry "time:before:cost" for what was spent at a time (microseconds of
-- the server's clock), after `before` in all. Entries are in the order of their times, so what is spent within the
-- window is the difference of two sums, whatever was spent between them. Windows are half-open: what was spent at a
-- time counts until the window's length has passed, and no longer.
--
-- Of a limit above EXACT the times are rounded up to window/EXACT: the log never has more than about EXACT entries, and
-- what was spent leaves the window that little later, never earlier. So no window ever holds more than the limit. A
-- clock that is set back, or that of another server, has what was spent leave later too.
--
-- Windows may differ from call to call. An entry stays until the longest one has passed that was spent through since the
-- log began: a shorter one forgets nothing. Which one that is, the key tells: it ends as long after the last entry.
local EXACT = 4096
-- No log has more entries, whichever limits and windows it is read with by turns: the older half is merged then.
local MOST = 2 * EXACT
-- What is left of that half at most.
local LEFT = EXACT * 3 / 4
-- The sums turn over here, far above any limit: they stay exact, and entries short, however long a log is in use.
local TURN = 2 ^ 50

local function window_now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function window_parse(text)
  local time, before, cost = string.match(text, '^(%d+):(%d+):(%d+)$')
  return {time = tonumber(time), before = tonumber(before), cost = tonumber(cost)}
end

local function window_entry(key, index)
  local text = redis.call('LINDEX', key, index)
  return text and window_parse(text)
end

local function window_text(entry)
  return string.format('%.0f:%.0f:%.0f', entry.time, entry.before, entry.cost)
end

-- What was spent from the beginning of one entry to the end of another.
local function window_sum(from, to)
  return (to.before + to.cost - from.before) % TURN
end

-- The first index from `low` on, below `high`, whose entry `holds`; `high` when none does. Once it holds, it holds on.
local function window_search(key, low, high, holds)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if holds(window_entry(key, middle)) then high = middle else low = middle + 1 end
  end
  return low
end

-- Finds where the entries begin that still count for the window of the log, and how much they are.
local function window_find(log)
  local function counts(entry) return entry.time > log.now - log.window end
  log.first, log.head, log.spent = 0, window_entry(log.key, 0), 0
  if not counts(log.head) then
    log.first = window_search(log.key, 1, log.length, counts)
    log.head = window_entry(log.key, log.first)
  end
  if log.head then log.spent = window_sum(log.head, log.last) end
end

-- The log as it stands: what is spent, and at which index the entries begin that still count. Changes nothing.
local function window_read(key, limit, window, now)
  local log = {key = key, limit = limit, window = window, step = 1, now = now,
    spent = 0, first = 0, length = 0}
  if limit > EXACT then log.step = math.ceil(window / EXACT) end
  log.last = window_entry(key, -1)
  if not log.last then return log end
  log.length = redis.call('LLEN', key)
  window_find(log)
  return log
end

-- Microseconds until `cost` more will fit: 0 when it does now, -1 when it never will.
local function window_delay(log, cost)
  if cost > log.limit then return -1 end
  local excess = log.spent + cost - log.limit
  if excess <= 0 then return 0 end
  -- The entry with which so much has left.
  local function leaves(entry) return window_sum(log.head, entry) >= excess end
  local index = window_search(log.key, log.first, log.length - 1, leaves)
  return window_entry(log.key, index).time + log.window - log.now
end

-- Microseconds until nothing is spent any more.
local function window_reset(log)
  if log.spent == 0 then return 0 end
  return log.last.time + log.window - log.now
end

-- The longest window of the log, the caller's with the others: whole milliseconds, as keys end, so that it never grows by
-- being read.
local function window_longest(log)
  local longest = math.ceil(log.window / 1000) * 1000
  if not log.last then return longest end
  local ends = redis.call('PEXPIRETIME', log.key) * 1000
  return math.max(longest, math.floor((ends - log.last.time) / 1000) * 1000)
end

-- Forgets what no window counts any more.
local function window_trim(log, longest)
  if log.first == 0 then return end
  local function counts(entry) return entry.time > log.now - longest end
  local gone = window_search(log.key, 0, log.first, counts)
  if gone == log.length then
    redis.call('DEL', log.key)
    log.last = nil
  elseif gone > 0 then
    redis.call('LTRIM', log.key, gone, -1)
  end
  log.first, log.length = log.first - gone, log.length - gone
end

-- Has the entries of the older half become one for each 2,048th of the longest window, at the time of the last of them:
-- some 2,000 go. What was spent leaves that little later, and never earlier. The newer half stays as it is, and no exact
-- limit looks further back.
local function window_merge(log, longest)
  local cell, merged, open = math.ceil(longest / (EXACT / 2)), {}, nil
  for index, text in ipairs(redis.call('LRANGE', log.key, 0, EXACT - 1)) do
    local entry = window_parse(text)
    -- There are more cells than LEFT only where a clock has jumped about.
    if open and (#merged == LEFT or math.floor(entry.time / cell) == math.floor(open.time / cell)) then
      open.time, open.cost = entry.time, open.cost + entry.cost
    else
      open = entry
      merged[#merged + 1] = entry
    end
  end
  redis.call('LTRIM', log.key, EXACT, -1)
  for index = #merged, 1, -1 do redis.call('LPUSH', log.key, window_text(merged[index])) end
  log.length = log.length - EXACT + #merged
  window_find(log)
end

-- Writes down that `cost` is spent `later` microseconds from now at the latest. The caller has found that it fits. The
-- log is then as window_read would find it.
local function window_spend(log, cost, later)
  local key, longest = log.key, window_longest(log)
  window_trim(log, longest)
  -- Of an empty log the caller's is the only one.
  if not log.last then longest = window_longest(log) end
  if log.length >= MOST then window_merge(log, longest) end
  local last = log.last
  local entry = {time = math.ceil((log.now + later) / log.step) * log.step, before = 0, cost = cost}
  if last and entry.time <= last.time then
    entry = {time = last.time, before = last.before, cost = last.cost + cost}
    redis.call('LSET', key, -1, window_text(entry))
  else
    if last then entry.before = (last.before + last.cost) % TURN end
    redis.call('RPUSH', key, window_text(entry))
    log.length = log.length + 1
  end
  if not log.head or log.first == log.length - 1 then log.first, log.head = log.length - 1, entry end
  log.last = entry
  log.spent = log.spent + cost
  -- At a time of the clock that the entries have theirs from, and not after a while that begins with the call.
  redis.call('PEXPIREAT', key, math.ceil((entry.time + longest) / 1000))
end
