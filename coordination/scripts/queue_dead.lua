-- ARGV: the entry after which to begin, or an empty text; how many. Changes nothing.
if not queue_exists() then return {'missing'} end
local after, most, found, bytes = ARGV[1], tonumber(ARGV[2]), {}, 0
local from = after == '' and '-' or '(' .. after
while true do
  local entry = redis.call('XRANGE', DEAD, from, '+', 'COUNT', 1)[1]
  if not entry then return {'ok', found, 0} end
  if #found >= most or bytes >= BYTES then return {'ok', found, 1} end
  local fields = entry[2]
  found[#found + 1] = {entry[1], fields[8], fields[2], fields[4], fields[6], fields[10]}
  bytes, from = bytes + #fields[6], '(' .. entry[1]
end
