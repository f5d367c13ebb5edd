-- KEYS: the lock, the organization's fencing counter, until when others wait at most. ARGV: the caller's token,
-- milliseconds, an epoch (0 for none, "-" for a lock without a number), and the request for an epoch that it answers.
-- Returns {1, number, when it ends}, {2, milliseconds that another holds it}, or {3, least epoch, request for one}.
--
-- A number is epoch * 2^16 + count. The counter belongs to one life of one server: its run id, and the id of its
-- replication, which a server that was demoted and promoted again has anew while it keeps its run id. Where the counter
-- is gone, is another life's, or is used up, an epoch is asked for, and nothing is acquired.
--
-- Only an epoch that was drawn after the present request is taken. One that was drawn earlier, by a client that has
-- slept since, would be below numbers that were given meanwhile.
--
-- A lock without a number leaves the counter alone: who asks for one may have no epochs to give.
local COUNTS = 65536
-- Kept longer than any lock; a counter that has gone makes one more epoch.
local KEPT = 172800000

local function fencing_life()
  local info = redis.call('INFO', 'server', 'replication')
  local run, replication = string.match(info, 'run_id:(%x+)'), string.match(info, 'master_replid:(%x+)')
  return run and replication and run .. ':' .. replication
end

-- One string "epoch count life request", so that it is written by one command, with its end; "-" for what is not there.
local function fencing_read(key)
  local text = redis.call('GET', key)
  if not text then return 0, 0, '-', '-' end
  local epoch, count, life, request = string.match(text, '^(%d+) (%d+) (%S+) (%S+)$')
  return tonumber(epoch), tonumber(count), life, request
end

local function fencing_write(key, epoch, count, life, request)
  redis.call('SET', key, string.format('%.0f %.0f %s %s', epoch, count, life, request), 'PX', KEPT)
end

-- Returns the next number, or nil, the least epoch, and the request for one.
local function fencing_next()
  local now = fencing_life()
  if not now then error({err = 'NOPERM INFO tells neither run_id nor master_replid'}) end
  local epoch, count, life, request = fencing_read(KEYS[2])
  if life ~= now or count >= COUNTS - 1 then
    -- A request is of one life too: an older copy of the file may hold one that was answered since.
    local current = string.sub(request, 1, #now) == now
    local offered = tonumber(ARGV[3])
    if not (current and request == ARGV[4] and offered > epoch) then
      if not current then
        local time = redis.call('TIME')
        request = now .. ':' .. redis.sha1hex(ARGV[1] .. time[1] .. '.' .. time[2])
        fencing_write(KEYS[2], epoch, count, life, request)
      end
      return nil, string.format('%.0f', epoch + 1), request
    end
    epoch, count = offered, 0
  end
  fencing_write(KEYS[2], epoch, count + 1, now, '-')
  return epoch * COUNTS + count + 1
end

local plain = ARGV[3] == '-'
local number, token = lock_read(KEYS[1])
-- With the same token: who asks for a number cannot be served by a lock that has none, nor the other way round.
if number and (token ~= ARGV[1] or plain ~= (number == 0)) then
  return {2, redis.call('PTTL', KEYS[1])}
end
if number then
  -- The same caller once more, whose first answer may be lost.
  lock_end(KEYS[1], ARGV[2])
  return {1, number, redis.call('PEXPIRETIME', KEYS[1])}
end

local least, request
number = 0
if not plain then
  number, least, request = fencing_next()
  if not number then return {3, least, request} end
end
redis.call('SET', KEYS[1], string.format('%.0f:%s', number, ARGV[1]), 'PX', ARGV[2])
if redis.call('PTTL', KEYS[3]) > tonumber(ARGV[2]) then
  -- They still wait for the end of an earlier lock, which was released; this one ends sooner.
  redis.call('DEL', KEYS[3])
  redis.call('PUBLISH', KEYS[1], EVERYONE)
end
return {1, number, redis.call('PEXPIRETIME', KEYS[1])}
