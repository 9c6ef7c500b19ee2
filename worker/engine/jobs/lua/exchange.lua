-- One exchange of a worker: what ended, what is held for longer, whom to abort, and new jobs, in one call.
-- KEYS: the worker's last exchange, then its queues. ARGV[1]: what it asks, as MessagePack.
-- Each number is applied once: a worker that got no answer asks again, and is told what happened.
local given = cmsgpack.unpack(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local queues = {}
for i = 2, #KEYS do queues[i - 1] = KEYS[i] end

local kept = redis.call('GET', KEYS[1])
local last = kept and cmsgpack.unpack(kept)
if last and given.number < last.number then return {} end
if last and given.number == last.number then
  local still = {}
  for _, job in ipairs(last.claimed) do
    if redis.call('GET', LEASE .. job[1]) == given.token then
      append(still, {job[1], job[2], job[3], job[4], redis.call('GET', JOB .. job[1]), false})
    end
  end
  return {last.accepted, last.lost, {}, still, 0, 1, 0}
end

local accepted = finish(now, queues, given.finish)
local lost = renew(now, queues, given.renew, given.lease_ms)
local asked = given.aborts_from >= 0 and aborts(given.aborts_from, given.page) or {}
local claimed, next_due, queued, more = claim_all(now, queues, given)
if #accepted + #claimed + #given.renew > 0 then
  local names = {}
  for i, job in ipairs(claimed) do names[i] = {job[1], job[2], job[3], job[4]} end
  local record = {number = given.number, accepted = accepted, lost = lost, claimed = names}
  redis.call('SET', KEYS[1], cmsgpack.pack(record), 'PX', KEEP_MS)
end
return {accepted, lost, asked, claimed, next_due, queued, more and 1 or 0}
