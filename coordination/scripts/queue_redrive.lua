-- ARGV: how many; then the entries that are meant, or none for all, the oldest first.
if not queue_exists() then return {'missing'} end
local most, moved, bytes, named = tonumber(ARGV[1]), 0, 0, 2
while moved < most and bytes < BYTES do
  local from, to = '-', '+'
  if #ARGV > 1 then
    if named > #ARGV then break end
    from, to, named = ARGV[named], ARGV[named], named + 1
  end
  local entry = redis.call('XRANGE', DEAD, from, to, 'COUNT', 1)[1]
  if entry then
    redis.call('XDEL', DEAD, entry[1])
    queue_add(entry[2][2], entry[2][4], entry[2][6])
    moved, bytes = moved + 1, bytes + #entry[2][6]
  elseif #ARGV == 1 then
    break
  end
end
if moved > 0 then redis.call('PUBLISH', QUEUE, moved) end
return {'ok', moved, redis.call('XLEN', DEAD)}
