-- Pop up to ARGV[1] due hints over the sets KEYS, in that order, and drop their jobs.
-- ARGV[2]: prefix of job keys. ARGV[3]: sets per queue. ARGV[4]: ttl of a wake, ms. ARGV[5...]: wake key per queue.
-- Returns {ids, ms until the next deferred hint or -1}.
-- Most takes of an idle worker find nothing: one look tells.
if redis.call('EXISTS', unpack(KEYS)) == 0 then return {{}, -1} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wanted, prefix, per_queue, ttl = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local ids, next_due = {}, -1
for index, queue in ipairs(KEYS) do
  if wanted > #ids then
    local due = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, wanted - #ids)
    if #due > 0 then
      redis.call('ZREM', queue, unpack(due))
      for i, id in ipairs(due) do
        ids[#ids + 1] = id
        due[i] = prefix .. id
      end
      redis.call('UNLINK', unpack(due))
    end
  end
  local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
  if head[2] then
    local wait = math.max(0, tonumber(head[2]) - now)
    if next_due < 0 or wait < next_due then next_due = wait end
    -- Work is left that this taker has no slot for: wake the next one.
    local wake = ARGV[4 + math.ceil(index / per_queue)]
    if wait == 0 and redis.call('LLEN', wake) == 0 then
      redis.call('LPUSH', wake, head[1])
      redis.call('PEXPIRE', wake, ttl)
    end
  end
end
return {ids, next_due}
