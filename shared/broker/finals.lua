-- Keep a copy of each final task, let its progress go, and tell everybody at once.
-- KEYS: per task, its result key and its progress key.
-- ARGV: channel, the ids (blanks between), seconds for a copy, seconds for progress, then a copy per task.
for i = 1, #KEYS / 2 do
  redis.call('SET', KEYS[2 * i - 1], ARGV[4 + i], 'EX', ARGV[3])
  redis.call('EXPIRE', KEYS[2 * i], ARGV[4])
end
return redis.call('PUBLISH', ARGV[1], ARGV[2])
