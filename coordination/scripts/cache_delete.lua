-- KEYS as those of cache_set. A lease ends too: what is computed from what was true before is not stored after.
for index = 1, #KEYS, 2 do
  redis.call('DEL', KEYS[index])
  if redis.call('DEL', KEYS[index + 1]) == 1 then redis.call('PUBLISH', KEYS[index], 1) end
end
return 1
