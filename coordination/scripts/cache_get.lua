-- Returns the time and what each key holds. An entry that would make the answer larger than ARGV[1] bytes is told by a
-- number in its place, for another call; the first always fits.
local found, size = {now}, 0
for index, key in ipairs(KEYS) do
  local length = redis.call('STRLEN', key)
  if size > 0 and size + length > tonumber(ARGV[1]) then
    found[index + 1] = length
  else
    size = size + length
    found[index + 1] = redis.call('GET', key)
  end
end
return found
