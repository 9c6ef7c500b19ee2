-- Say that somebody reads a tenant's feed. KEYS: the listening key, the feed. ARGV: seconds to live.
-- Returns the feed's epoch, the number of its last entry, and 1 where the epoch begins now.
-- An epoch is never used twice: it lies above that of any entry that is kept, though the clock may go back.
local epoch, number, begins = redis.call('GET', KEYS[1]), 0, 0
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local of, at
if last then of, at = string.match(last[1], '(%d+)-(%d+)') end
if not epoch then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if of and tonumber(of) >= now then now = tonumber(of) + 1 end
  epoch, begins = string.format('%d', now), 1
end
redis.call('SET', KEYS[1], epoch, 'EX', ARGV[1])
if of then redis.call('EXPIRE', KEYS[2], ARGV[1]) end
if of == epoch then number = tonumber(at) end
return {tonumber(epoch), number, begins}
