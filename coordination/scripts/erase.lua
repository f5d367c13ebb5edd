-- Goes through some of the keys, whosever they are, and deletes those of one organization.
-- ARGV: what they match, the mark of the run that gave the cursor, the cursor, about how many to go through.
-- Answers the mark of this server's run, the cursor to go on with, 0 at the end, and how many keys went.
local run = tonumber(string.match(redis.call('INFO', 'server'), 'run_id:(%x%x%x%x)'), 16)
-- A server that was restarted or promoted has its keys in another order: a cursor of the one before would leave some out.
local cursor = run == tonumber(ARGV[2]) and ARGV[3] or '0'
local page = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', ARGV[4])
for _, key in ipairs(page[2]) do redis.call('UNLINK', key) end
return {run, page[1], #page[2]}
