-- Append what happened to a tenant's tasks, if somebody reads the feed, and tell who watches one of them.
-- KEYS: the listening key (its value: the feed's epoch), the feed.
-- ARGV: channel, ids to tell, entries that were lost before these, most to keep, seconds to live;
--       then per entry: name, type, queue, status, data.
-- Entries are epoch-number without a hole, so that a reader sees what it missed. Returns how many listened.
local heard = redis.call('PUBLISH', ARGV[1], ARGV[2])
local epoch = redis.call('GET', KEYS[1])
if not epoch then return heard end
local number = 0
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last then
  local of, at = string.match(last[1], '(%d+)-(%d+)')
  if of == epoch then number = tonumber(at) end
end
number = number + tonumber(ARGV[3])
for i = 6, #ARGV, 5 do
  number = number + 1
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], epoch .. '-' .. string.format('%d', number),
    'event', ARGV[i], 'type', ARGV[i + 1], 'queue', ARGV[i + 2], 'status', ARGV[i + 3], 'data', ARGV[i + 4])
end
redis.call('EXPIRE', KEYS[2], ARGV[5])
return heard + 1
