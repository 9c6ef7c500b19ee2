-- Count a try. A count that is no number starts anew: one bad key must not stop its neighbours.
local function count_try(id)
  if redis.call('SET', RETRY .. id, 1, 'EX', RETRY_SECONDS, 'NX') then return 1 end
  local tries = redis.pcall('INCR', RETRY .. id)
  if type(tries) == 'number' then return tries end
  redis.call('SET', RETRY .. id, 1, 'EX', RETRY_SECONDS)
  return 1
end

-- Claim up to `room` due jobs of a queue into `claimed`, as {id, place, score, tries, payload, abort time}.
-- A job that somebody holds already moves out of the way, so that it never hides those behind it.
-- Returns whether there may be more.
local function claim(now, queue, place, room, given, claimed)
  local due = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'WITHSCORES', 'LIMIT', 0, room)
  if #due == 0 then return false end
  local leases, jobs, moved, dropped = {}, {}, {}, {}
  for i = 1, #due, 2 do
    append(leases, LEASE .. due[i])
    append(jobs, JOB .. due[i])
  end
  local held, payloads = redis.call('MGET', unpack(leases)), redis.call('MGET', unpack(jobs))
  local has_aborts = given.allow_abort and redis.call('EXISTS', ABORT) == 1
  for i = 1, #leases do
    local id, score = due[2 * i - 1], tonumber(due[2 * i])
    if held[i] == ENDED or not (payloads[i] or held[i]) and redis.call('EXISTS', RESULT .. id) == 1 then
      -- A second tick of a cron job, or what an abort of a job left that ended meanwhile.
      append(dropped, id)
    elseif held[i] then
      local left = redis.call('PTTL', leases[i])
      append(moved, left > 0 and now + math.min(left, given.lease_ms) or now + given.lease_ms)
      append(moved, id)
    else
      redis.call('SET', leases[i], given.token, 'PX', given.lease_ms)
      append(moved, now + given.lease_ms)
      append(moved, id)
      local abort = has_aborts and redis.call('ZSCORE', ABORT, id)
      append(claimed, {id, place, score, count_try(id), payloads[i], tonumber(abort or nil) or false})
    end
  end
  if #moved > 0 then redis.call('ZADD', queue, unpack(moved)) end
  if #dropped > 0 then
    redis.call('ZREM', queue, unpack(dropped))
    for _, id in ipairs(dropped) do redis.call('DEL', JOB .. id) end
  end
  return #leases == room
end

-- Claim over the queues in the order given. Returns the claimed, ms until the next job is due or -1, how many
-- jobs there are, and whether another claim would find more.
local function claim_all(now, queues, given)
  local claimed, next_due, queued, more = {}, -1, 0, false
  for _, place in ipairs(given.order) do
    local queue = queues[place]
    if redis.call('EXISTS', queue .. PAUSED) == 0 then
      if #claimed < given.want then
        more = claim(now, queue, place, given.want - #claimed, given, claimed) or more
      end
      queued = queued + redis.call('ZCARD', queue)
      local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
      if head[2] then
        local wait = math.max(0, tonumber(head[2]) - now)
        if next_due < 0 or wait < next_due then next_due = wait end
        -- Work is left for which we have no slot: wake the next worker.
        if wait == 0 and given.want > 0 and redis.call('EXISTS', queue .. WAKE) == 0 then
          redis.call('LPUSH', queue .. WAKE, 1)
          redis.call('PEXPIRE', queue .. WAKE, WAKE_MS)
        end
      end
    end
  end
  return claimed, next_due, queued, more
end
