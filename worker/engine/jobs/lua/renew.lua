-- Hold the leases of runs for longer. Each is {id, queue place, token, tries}.
-- Returns the places, in the list given, of those that another run has taken.
local function renew(now, queues, runs, lease_ms)
  if #runs == 0 then return {} end
  local held, lost = leases_of(runs), {}
  for i, run in ipairs(runs) do
    local id, place, token, tries = unpack(run, 1, 4)
    if not owns(held[i], id, token, tries) then
      append(lost, i)
    elseif held[i] or redis.call('EXISTS', JOB .. id) == 1 then
      redis.call('SET', LEASE .. id, token, 'PX', lease_ms)
      redis.call('ZADD', queues[place], 'XX', now + lease_ms, id)
    end
    -- (After a flush no lease is made anew: whoever enqueues the id again may run it.)
  end
  return lost
end
