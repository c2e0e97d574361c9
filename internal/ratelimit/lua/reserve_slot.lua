-- Takes one of a user's slots in a tier, unless they are all held or the cooldown runs.
--
-- KEYS[1]  ZSET    the slots: job id -> lease end, ms of this server's TIME
-- KEYS[2]  STRING  the cooldown's end, ms of this server's TIME
-- ARGV[1]  job id
-- ARGV[2]  most slots that may be held
-- ARGV[3]  length of the lease, ms
--
-- Answers {reason, slots in use, wait in ms, job id of each holder ...}:
--   {'taken',    n, 0}         the job holds a slot; also when it held one before, so running twice is harmless
--   {'full',     n, 0, id ...} every slot is held
--   {'cooldown', n, ms}        a slot is free, the cooldown has ms to go
--
-- A refusal writes nothing, and nothing is written before the last check. The ends are compared with TIME besides
-- the keys' own expiry: in-process Redis expires keys only when told to.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local live = string.format('(%.0f', now)

local lease = now + ARGV[3]
local held = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
local used = redis.call('ZCOUNT', KEYS[1], live, '+inf')

if held <= now then
  if used >= tonumber(ARGV[2]) then
    local answer = redis.call('ZRANGEBYSCORE', KEYS[1], live, '+inf')
    table.insert(answer, 1, 'full')
    table.insert(answer, 2, used)
    table.insert(answer, 3, 0)
    return answer
  end
  local wait = tonumber(redis.call('GET', KEYS[2]) or 0) - now
  if wait > 0 then
    return {'cooldown', used, wait}
  end
  used = used + 1
end

lease = math.max(lease, held) -- a keeper's longer lease stays
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', lease), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(last[2]))) -- the key goes with its last lease
return {'taken', used, 0}
