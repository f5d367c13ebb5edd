-- A queue. Its stream holds what is ready, in flight or given back; the one group's pending entries are what has been
-- delivered, and how often. Each of those stands in one of two sorted sets, by the millisecond at which it may be
-- delivered again: LEASES while a consumer has it, RETURNED once it was given back. DELAYED holds what was pushed for
-- later, whole, by when it is due. DEAD is a stream of what was delivered too often.
--
-- There is one consumer in the group, whoever pops: consumers are never dropped by themselves, and a receipt tells
-- deliveries apart better than a name does.
local QUEUE, DELAYED, LEASES, RETURNED, DEAD, SETTINGS, NAMES = unpack(KEYS)
local GROUP, CONSUMER = 'workers', 'worker'
-- What one call moves or looks at, and the bytes after which it takes no further message: Valkey serves nobody else
-- meanwhile.
local MOST, BYTES = 200, 4 * 1024 * 1024
-- Wakes all who wait.
local EVERYONE = 999999999

local function queue_now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function queue_number(number)
  return string.format('%.0f', number)
end

-- One of the fields of XINFO's answer, which is a list of names and values.
local function queue_field(info, name)
  for index = 1, #info, 2 do
    if info[index] == name then return info[index + 1] end
  end
end

-- What XINFO says of the group; nil where somebody else has destroyed it.
local function queue_group()
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', QUEUE)) do
    if queue_field(group, 'name') == GROUP then return group end
  end
end

-- Is there a queue? One without its group gets it anew, and begins from the start of its stream: all that was not
-- acknowledged is delivered again, as if for the first time.
local function queue_exists()
  if redis.call('EXISTS', QUEUE) == 0 then return false end
  if not queue_group() then
    redis.call('XGROUP', 'CREATE', QUEUE, GROUP, '0')
    redis.call('UNLINK', LEASES, RETURNED)
  end
  return true
end

-- The first id of a stream: in a millisecond that another of that name has had entries in, it is above them all the
-- same, since a receipt must never name the message of another queue's life.
local function queue_begin()
  local time = redis.call('TIME')
  local microsecond = time[2] % 1000
  return queue_number(time[1] * 1000 + (time[2] - microsecond) / 1000) .. '-' .. queue_number(microsecond * 1e9)
end

-- Makes the queue where there is none; false when there are as many as there may be.
local function queue_make(name, most)
  if queue_exists() then return true end
  if redis.call('ZCARD', NAMES) >= tonumber(most) then return false end
  redis.call('XGROUP', 'CREATE', QUEUE, GROUP, '0', 'MKSTREAM')
  redis.call('XSETID', QUEUE, queue_begin())
  redis.call('ZADD', NAMES, 0, name)
  return true
end

-- The settings: those of the queue, else the defaults, which come as JSON.
local function queue_settings(defaults)
  local found = cjson.decode(defaults)
  local stored = redis.call('HGETALL', SETTINGS)
  for index = 1, #stored, 2 do found[stored[index]] = tonumber(stored[index + 1]) end
  return found
end

-- The member with the lowest score, and its score.
local function queue_first(key)
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first[1] then return first[1], tonumber(first[2]) end
end

-- Of what was delivered before, the entry that may be again and has been able to for longest, its key, and the reason
-- for which it dies where it was delivered too often.
local function queue_next(now)
  local lease, ended = queue_first(LEASES)
  local entry, given = queue_first(RETURNED)
  if lease and ended <= now and not (entry and given < ended) then return lease, LEASES, 'expired' end
  if entry and given <= now then return entry, RETURNED, 'nacked' end
end

-- Whether it is the turn of what was never delivered. It stands beside the settings.
local function queue_new_first()
  return redis.call('HGET', SETTINGS, 'new_first') == '1'
end

-- Takes what was delivered before and what is new by turns while there is room, and returns whose turn it is then. They
-- go on over all pops, so that messages that fail again and again, and are given back at once, keep no new one waiting.
local function queue_by_turns(new_first, has_room, take_again, take_new)
  while has_room() do
    if new_first and take_new() then
      new_first = false
    elseif take_again() then
      new_first = true
    elseif new_first or not take_new() then
      break
    end
  end
  return new_first
end

-- The millisecond at which something will be due by itself; nil when nothing will.
local function queue_due()
  local due
  for _, key in ipairs({DELAYED, LEASES, RETURNED}) do
    local _, score = queue_first(key)
    if score and (not due or score < due) then due = score end
  end
  return due
end

local function queue_add(id, pushed, body)
  redis.call('XADD', QUEUE, '*', 'id', id, 'pushed', pushed, 'body', body)
end

-- How often an entry has been delivered; nil when it is not pending: done with, dead or purged.
local function queue_attempts(entry)
  local pending = redis.call('XPENDING', QUEUE, GROUP, entry, entry, 1)
  return pending[1] and pending[1][4]
end

-- What a receipt is worth: 'held', 'returned' by who holds it, 'stale' when another has it, 'gone' when nobody has.
local function queue_receipt(entry, attempt)
  local attempts = queue_attempts(entry)
  if not attempts then return 'gone' end
  if attempts ~= tonumber(attempt) then return 'stale' end
  return redis.call('ZSCORE', LEASES, entry) and 'held' or 'returned'
end

local function queue_forget(entry)
  redis.call('XACK', QUEUE, GROUP, entry)
  return redis.call('XDEL', QUEUE, entry)
end

-- Moves a message to the dead letters; returns the bytes of its body.
local function queue_bury(entry, attempts, reason)
  local found = redis.call('XRANGE', QUEUE, entry, entry)[1]
  queue_forget(entry)
  if not found then return 0 end
  local fields = found[2]
  redis.call('XADD', DEAD, redis.call('EXISTS', DEAD) == 1 and '*' or queue_begin(), 'id', fields[2], 'pushed', fields[4], 'body', fields[6],
    'attempts', attempts, 'reason', reason)
  return #fields[6]
end

-- An id of the stream up to which all was delivered.
local function queue_delivered()
  return queue_field(queue_group(), 'last-delivered-id')
end
