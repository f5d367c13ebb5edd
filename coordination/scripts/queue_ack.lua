-- All of them or, where one is stale, none. ARGV: entry and attempt of each receipt.
if not queue_exists() then return {'missing'} end
local stale = {}
for index = 1, #ARGV, 2 do
  local worth = queue_receipt(ARGV[index], ARGV[index + 1])
  if worth == 'stale' or worth == 'returned' then stale[#stale + 1] = (index - 1) / 2 end
end
if #stale > 0 then return {'stale', stale} end
local acked = {}
for index = 1, #ARGV, 2 do
  redis.call('ZREM', LEASES, ARGV[index])
  acked[#acked + 1] = queue_forget(ARGV[index])
end
return {'ok', acked}
