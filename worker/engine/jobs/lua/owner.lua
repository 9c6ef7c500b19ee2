-- Whether a run still speaks for its job. `held` is what the job's lease holds now.
local function owns(held, id, token, tries)
  if held == token then return true end
  if held then return false end
  -- The lease ran out. Whoever claimed the job since raised the count of tries, or ended it and left a result.
  if redis.call('EXISTS', JOB .. id) == 1 then
    return tonumber(redis.call('GET', RETRY .. id)) == tries
  end
  -- Nothing is left of it: Redis was flushed, and nobody else can have run it.
  return redis.call('EXISTS', RESULT .. id) == 0
end

local function leases_of(runs)
  local keys = {}
  for i, run in ipairs(runs) do keys[i] = LEASE .. run[1] end
  return redis.call('MGET', unpack(keys))
end

local function append(list, value) list[#list + 1] = value end
