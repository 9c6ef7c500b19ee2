-- Keep a copy of each final task, let what there is of its progress go, and tell everybody at once.
-- KEYS: per task its result key; behind these, the progress keys.
-- ARGV: channel, the ids (blanks between), seconds for a copy, seconds for progress, then a copy per task.
local copies = #ARGV - 4
for i = 1, copies do
  redis.call('SET', KEYS[i], ARGV[4 + i], 'EX', ARGV[3])
end
for i = copies + 1, #KEYS do
  redis.call('EXPIRE', KEYS[i], ARGV[4])
end
return redis.call('PUBLISH', ARGV[1], ARGV[2])
