-- Gives a job's slot back and starts the cooldown of its end. Releasing twice is harmless: only the first one finds the
-- slot and starts the cooldown now.
--
-- KEYS[1]  ZSET    the slots: job id -> lease end, ms of this server's TIME
-- KEYS[2]  STRING  the cooldown's end, ms of this server's TIME
-- ARGV[1]  job id
-- ARGV[2]  length of the cooldown, ms; 0: none
-- ARGV[3]  when the job ended, ms of the database's clock; 0 or less: unknown
--
-- Returns 1 when the job held the slot, else 0. A lease that is over counts as not held, whether or not the member
-- is still there: otherwise the result would depend on whether another script has dropped it.
--
-- A job that held no slot, for one since it was paused before, leaves what is left of the cooldown since its end. That
-- never shortens one that runs, and a database whose clock is ahead makes none longer than its length.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local held = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
local cooldown = tonumber(ARGV[2])

redis.call('ZREM', KEYS[1], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then -- the key goes with its last lease, which may have been this job's
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(last[2])))
end
local ends = now + cooldown
if held <= now then
  ends = math.min(ends, tonumber(ARGV[3]) + cooldown)
  ends = math.max(ends, tonumber(redis.call('GET', KEYS[2]) or 0))
end
if cooldown > 0 and ends > now then
  redis.call('SET', KEYS[2], string.format('%.0f', ends), 'PX', string.format('%.0f', ends - now))
end
if held > now then
  return 1
end
return 0
