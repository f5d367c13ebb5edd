-- ARGV: the queue's name, most queues; then names and values of what is not as the defaults.
if not queue_make(ARGV[1], ARGV[2]) then return {'limit', ARGV[2]} end
redis.call('DEL', SETTINGS)
for index = 3, #ARGV, 2 do redis.call('HSET', SETTINGS, ARGV[index], ARGV[index + 1]) end
return {'ok'}
