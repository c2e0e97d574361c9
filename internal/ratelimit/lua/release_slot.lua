-- Gives a job's slot back and starts the cooldown, but only if the job held it: releasing twice starts no second one.
--
-- KEYS[1]  ZSET    the slots: job id -> lease end, ms of this server's TIME
-- KEYS[2]  STRING  the cooldown's end, ms of this server's TIME
-- ARGV[1]  job id
-- ARGV[2]  length of the cooldown, ms; 0: none
--
-- Answers 1 when the job held the slot, else 0. A lease that is over counts as not held, whether or not the member
-- is still there: otherwise the answer would depend on who else came by to drop it.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local held = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
local cooldown = tonumber(ARGV[2])

redis.call('ZREM', KEYS[1], ARGV[1])
if held <= now then
  return 0
end
if cooldown > 0 then
  redis.call('SET', KEYS[2], string.format('%.0f', now + cooldown), 'PX', ARGV[2])
end
return 1
