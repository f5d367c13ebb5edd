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

for _, key in ipairs({LEASES, RETURNED}) do
  for _, entry in ipairs(redis.call('ZRANGE', key, '-inf', queue_number(now), 'BYSCORE', 'LIMIT', 0, most)) do
    local stored = has_room() and redis.call('XRANGE', QUEUE, entry, entry)
    if stored and stored[1] then show(stored[1], queue_attempts(entry)) end
  end
end
local after = queue_delivered()
while has_room() do
  local stored = redis.call('XRANGE', QUEUE, '(' .. after, '+', 'COUNT', 1)
  if not stored[1] then break end
  after = stored[1][1]
  show(stored[1], 0)
end
local index = 0
while has_room() do
  local member = redis.call('ZRANGE', DELAYED, index, index, 'WITHSCORES')
  if not member[1] or tonumber(member[2]) > now then break end
  local id, pushed, begins = string.match(member[1], '^(%S+) (%d+) ()')
  show({'', {'id', id, 'pushed', pushed, 'body', string.sub(member[1], begins)}}, 0)
  index = index + 1
end
return {'ok', found}
