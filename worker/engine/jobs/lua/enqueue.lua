-- Add a job unless one of its id waits, runs or has left a result; wake a worker if it is due or comes next.
-- KEYS: queue. ARGV: id, payload, time to live in ms, delay in ms or '', time due in ms if there is no delay.
local id = ARGV[1]
if redis.call('EXISTS', JOB .. id, RESULT .. id) > 0 then return 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local score = ARGV[4] ~= '' and now + tonumber(ARGV[4]) or tonumber(ARGV[5])
redis.call('SET', JOB .. id, ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[1], score, id)
if (score <= now or redis.call('ZRANK', KEYS[1], id) == 0) and redis.call('EXISTS', KEYS[1] .. WAKE) == 0 then
  redis.call('LPUSH', KEYS[1] .. WAKE, 1)
  redis.call('PEXPIRE', KEYS[1] .. WAKE, WAKE_MS)
end
return 1
