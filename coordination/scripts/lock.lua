-- A lock is a string "number:token" that ends by itself. Nobody else may hold it while the key is there.
local function lock_read(key)
  local held = redis.call('GET', key)
  if not held then return nil end
  local number, token = string.match(held, '^(%d+):(.*)$')
  return tonumber(number), token
end

-- More than ever wait.
local EVERYONE = 999999999

-- Has a lock end in `milliseconds`. Whoever waits looks again when it was to end; when that is sooner now, they are told.
local function lock_end(key, milliseconds)
  local sooner = redis.call('PTTL', key) > tonumber(milliseconds)
  redis.call('PEXPIRE', key, milliseconds)
  if sooner then redis.call('PUBLISH', key, EVERYONE) end
end
