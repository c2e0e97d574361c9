-- Extends a job's slot, and puts it back when it is missing: the job is in the database, so it counts, even where
-- that makes more holders than the tier has slots. A lease is never shortened. One that is put back is short: the job
-- may be over by now and its caller die before it looks again, and if not, the next renewal is soon.
--
-- KEYS[1]  ZSET  the slots: job id -> lease end, ms of this server's TIME
-- ARGV[1]  job id
-- ARGV[2]  length of the lease, ms
-- ARGV[3]  length of one that is put back, ms
--
-- Returns 1 when the slot was missing or its lease was over, else 0.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local held = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
local lease = now + ARGV[3]
if held > now then
  lease = math.max(now + ARGV[2], held)
end

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', lease), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(last[2]))) -- the key goes with its last lease
if held <= now then
  return 1
end
return 0
