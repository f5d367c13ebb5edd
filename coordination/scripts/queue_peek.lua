-- What the next pops would deliver, in their order. ARGV: how many. Changes nothing.
if not queue_exists() then return {'missing'} end
local most, now, found, bytes = tonumber(ARGV[1]), queue_now(), {}, 0

local function has_room()
  return #found < most and bytes < BYTES
end

local function show(entry, attempts)
  local fields = entry[2]
  found[#found + 1] = {entry[1], attempts, fields[2], fields[4], fields[6]}
  bytes = bytes + #fields[6]
end

local again, next_again = {}, 1
for _, key in ipairs({LEASES, RETURNED}) do
  local due = redis.call('ZRANGE', key, '-inf', queue_number(now), 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
  for index = 1, #due, 2 do
    again[#again + 1] = {entry = due[index], since = tonumber(due[index + 1]), place = #again}
  end
end
table.sort(again, function(one, other)
  return one.since < other.since or (one.since == other.since and one.place < other.place)
end)

local function show_again()
  while again[next_again] do
    local entry = again[next_again].entry
    next_again = next_again + 1
    local stored = redis.call('XRANGE', QUEUE, entry, entry)[1]
    if stored then
      show(stored, queue_attempts(entry))
      return true
    end
  end
  return false
end

local after, next_delayed = queue_delivered(), 0

local function show_new()
  local stored = redis.call('XRANGE', QUEUE, '(' .. after, '+', 'COUNT', 1)[1]
  if stored then
    after = stored[1]
    show(stored, 0)
    return true
  end
  local member = redis.call('ZRANGE', DELAYED, next_delayed, next_delayed, 'WITHSCORES')
  if not member[1] or tonumber(member[2]) > now then return false end
  next_delayed = next_delayed + 1
  local id, pushed, begins = string.match(member[1], '^(%S+) (%d+) ()')
  show({'', {'id', id, 'pushed', pushed, 'body', string.sub(member[1], begins)}}, 0)
  return true
end

queue_by_turns(queue_new_first(), has_room, show_again, show_new)
return {'ok', found}
