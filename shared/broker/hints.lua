-- Add hints: arq jobs of tasks, each in the set of its queue and priority. Adding twice is adding once.
-- KEYS: (queue_key, wake_key) per set. ARGV: limit, ttl_extra_ms, prefix of job keys, what stands before and behind
-- the id in a job's payload, then (number of the set, id, delay_ms) per hint.
-- Returns how many were added; what does not fit under the limit is left to the poll. Due and deferred hints have room
-- of their own: ten thousand tasks planned for next week must not make those of today wait for the poll.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, extra, prefix, head, tail = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local added = 0

local function has_room(queue, delay)
  local all = redis.call('ZCARD', queue)
  if all < limit then return true end
  if all >= 2 * limit then return false end
  local due = redis.call('ZCOUNT', queue, '-inf', now)
  return (delay > 0 and all - due or due) < limit
end

for i = 6, #ARGV, 3 do
  local set, id, delay = tonumber(ARGV[i]), ARGV[i + 1], tonumber(ARGV[i + 2])
  local queue, wake = KEYS[2 * set - 1], KEYS[2 * set]
  if has_room(queue, delay) then
    local score = now + delay
    added = added + redis.call('ZADD', queue, 'LT', 'CH', score, id)
    redis.call('SET', prefix .. id, head .. id .. tail, 'PX', delay + extra)
    -- One element is enough: whoever it wakes takes all it can, and wakes the next if work is left. It is the id
    -- of what may be claimed at once; a hint due soon wakes without one, so that the woken one sets its timer by it.
    if delay <= 2000 and redis.call('LLEN', wake) == 0 then
      redis.call('LPUSH', wake, delay == 0 and id or '')
      redis.call('PEXPIRE', wake, extra)
    end
  end
end
return added
