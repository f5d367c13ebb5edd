-- ARGV: defaults, how many, milliseconds of visibility or an empty text for the queue's own, bytes after
-- which no further one is taken.
if not queue_exists() then return {{}, '0', '-1'} end
local settings = queue_settings(ARGV[1])
local most, most_bytes, now = tonumber(ARGV[2]), tonumber(ARGV[4]), queue_now()
local known, deadline = queue_due(), now + (tonumber(ARGV[3]) or settings.visibility_ms)
local visible = queue_number(deadline)
local given, bytes, looked, carried = {}, 0, 0, 0

local function give(entry, fields, attempt)
  redis.call('ZADD', LEASES, visible, entry)
  given[#given + 1] = {entry, attempt, fields[2], fields[4], fields[6]}
  bytes = bytes + #fields[6]
end

local function has_room()
  return #given < most and bytes < most_bytes
end

-- Gives one that was delivered before, and may be again; true where it did.
local function give_again()
  while looked < MOST and carried < BYTES do
    local entry, key, reason = queue_next(now)
    if not entry then return false end
    looked = looked + 1
    redis.call('ZREM', key, entry)
    local attempts = queue_attempts(entry)
    if attempts and attempts >= settings.max_attempts then
      carried = carried + queue_bury(entry, attempts, reason)
    elseif attempts then
      local found = redis.call('XCLAIM', QUEUE, GROUP, CONSUMER, 0, entry)
      if found[1] then
        give(entry, found[1][2], attempts + 1)
        return true
      end
    end
  end
  return false
end

-- Gives one that was never delivered; true where it did.
local function give_new()
  local found = redis.call('XREADGROUP', 'GROUP', GROUP, CONSUMER, 'COUNT', 1, 'STREAMS', QUEUE, '>')
  if not found then return false end
  local entry = found[1][2][1]
  give(entry[1], entry[2], 1)
  return true
end

-- Whatever is due of the delayed messages takes its place behind what is ready.
while looked < MOST and carried < BYTES do
  local member, due = queue_first(DELAYED)
  if not member or due > now then break end
  redis.call('ZREM', DELAYED, member)
  local id, pushed, begins = string.match(member, '^(%S+) (%d+) ()')
  queue_add(id, pushed, string.sub(member, begins))
  looked, carried = looked + 1, carried + #member
end
looked, carried = 0, 0
local before = queue_new_first()
local after = queue_by_turns(before, has_room, give_again, give_new)
if after and not before then
  redis.call('HSET', SETTINGS, 'new_first', 1)
elseif before and not after then
  redis.call('HDEL', SETTINGS, 'new_first')
end
if #given > 0 and (not known or deadline < known) then
  -- Whoever waits knows of something later, or of nothing. One of them learns of it, and looks again then.
  redis.call('PUBLISH', QUEUE, 1)
end
local due = queue_due()
return {given, visible, due and queue_number(math.max(0, due - now)) or '-1'}
