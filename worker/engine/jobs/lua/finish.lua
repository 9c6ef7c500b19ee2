-- Write how runs ended. Each is {id, queue place, token, tries, verb, ...}, by verb:
--   END    result or false, its time to live in ms (0: for ever), ms for which the id must not run again
--   AGAIN  delay in ms or false, score to keep if false, count of tries to leave
-- Returns 1 or 0 a run: 0 was refused, since another run has the job now.
local function finish(now, queues, runs)
  if #runs == 0 then return {} end
  local held = leases_of(runs)
  local accepted, dead, ended, leave = {}, {}, {}, {}
  for i, run in ipairs(runs) do
    local id, place, token, tries, verb, first, second, third = unpack(run, 1, 8)
    accepted[i] = owns(held[i], id, token, tries) and 1 or 0
    if accepted[i] == 1 and verb == END then
      if first and second > 0 then
        redis.call('SET', RESULT .. id, first, 'PX', second)
      elseif first then
        redis.call('SET', RESULT .. id, first)
      end
      if third > 0 then
        redis.call('SET', LEASE .. id, ENDED, 'PX', third)
      else
        append(dead, LEASE .. id)
      end
      append(dead, JOB .. id)
      append(dead, RETRY .. id)
      append(ended, id)
      leave[place] = leave[place] or {}
      append(leave[place], id)
    elseif accepted[i] == 1 then
      if third > 0 then
        redis.call('SET', RETRY .. id, third, 'EX', RETRY_SECONDS)
      else
        append(dead, RETRY .. id)
      end
      append(dead, LEASE .. id)
      redis.call('ZADD', queues[place], 'XX', first and now + first or second, id)
    end
  end
  if #dead > 0 then redis.call('DEL', unpack(dead)) end
  if #ended > 0 then redis.call('ZREM', ABORT, unpack(ended)) end
  for place, ids in pairs(leave) do redis.call('ZREM', queues[place], unpack(ids)) end
  return accepted
end
