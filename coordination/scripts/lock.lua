-- A lock is a string "number:token" that ends by itself; the number is 0 where none was asked for. Nobody else may hold
-- it while the key is there.
local function lock_read(key)
  local held = redis.call('GET', key)
  if not held then return nil end
  local number, token = string.match(held, '^(%d+):(.*)$')
  return tonumber(number), token
end

-- Whoever waits looks again after so many milliseconds at the latest: LOOK_AGAIN_SECONDS in coordination/bells.py.
local LOOK_AGAIN = 5000

-- More than ever wait.
local EVERYONE = 999999999

-- Has a lock end in `milliseconds`. Whoever waits looks again when it was to end, or sooner; they are told when it ends
-- before they would look. To wake them costs each of them a call.
local function lock_end(key, milliseconds)
  local sooner = math.min(redis.call('PTTL', key), LOOK_AGAIN) > tonumber(milliseconds)
  redis.call('PEXPIRE', key, milliseconds)
  if sooner then redis.call('PUBLISH', key, EVERYONE) end
end

-- Ends a lock now. One of those who wait is woken: it can be acquired once. The others go on waiting for the end that
-- they know, or until they look again.
local function lock_free(key, awaited)
  local left = math.min(redis.call('PTTL', key), LOOK_AGAIN)
  redis.call('DEL', key)
  if redis.call('PUBLISH', key, 1) > 0 and left > redis.call('PTTL', awaited) then
    redis.call('SET', awaited, '', 'PX', left)
  end
end
