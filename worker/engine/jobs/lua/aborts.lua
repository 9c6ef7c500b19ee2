-- A page of the requests to abort, as id, time, id, time ... Those for jobs that do not exist are dropped:
-- one of them would end the next job of that id.
local function aborts(from, page)
  local asked = redis.call('ZRANGE', ABORT, from, from + page - 1, 'WITHSCORES')
  local stale = {}
  for i = 1, #asked, 2 do
    if redis.call('EXISTS', JOB .. asked[i]) == 0 and redis.call('EXISTS', LEASE .. asked[i]) == 0 then
      append(stale, asked[i])
    end
  end
  if #stale > 0 then redis.call('ZREM', ABORT, unpack(stale)) end
  return asked
end
