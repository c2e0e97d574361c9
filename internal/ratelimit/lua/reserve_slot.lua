-- Takes one of an owner's slots in a tier, unless they are all held or the cooldown runs.
--
-- KEYS[1]  ZSET    the slots: job id -> lease end, ms of this server's TIME
-- KEYS[2]  STRING  the cooldown's end, ms of this server's TIME
-- ARGV[1]  job id
-- ARGV[2]  most slots that may be held
-- ARGV[3]  length of the lease, ms
-- ARGV[4]  length of the tier's cooldown, ms; 0: it has none, and none is looked for
--
-- Returns 1 when the job holds a slot; also when it held one before, so running twice is harmless. Otherwise it returns
-- {reason, slots in use, wait in ms, job id of each holder ...}:
--   {'full',     n, 0, id ...} every slot is held
--   {'cooldown', n, ms}        a slot is free, the cooldown has ms to go
--
-- A refusal writes nothing, and nothing is written before the last check. The ends are compared with TIME besides
-- the keys' own expiry: in-process Redis expires keys only when told to.
-- As few calls as it takes: each costs as much as a bare EVALSHA does. So while there are fewer leases than slots, nobody asks
-- which of them are over.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local leases = redis.call('ZCARD', KEYS[1])
local most = tonumber(ARGV[2])

if leases >= most or ARGV[4] ~= '0' then
  local held = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
  if held <= now then
    local used = redis.call('ZCOUNT', KEYS[1], now + 1, '+inf')
    if used >= most then
      local answer = {'full', used, 0}
      for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now + 1, '+inf')) do
        answer[#answer + 1] = id
      end
      return answer
    end
    local wait = tonumber(redis.call('GET', KEYS[2]) or 0) - now
    if ARGV[4] ~= '0' and wait > 0 then
      return {'cooldown', used, wait}
    end
    leases = leases - redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  end
end

local lease = now + ARGV[3]
redis.call('ZADD', KEYS[1], 'GT', lease, ARGV[1]) -- one that was renewed is longer, and stays
if leases == 0 then -- where there is no expiry yet, GT would set none
  redis.call('PEXPIREAT', KEYS[1], lease)
else
  redis.call('PEXPIREAT', KEYS[1], lease, 'GT') -- the key goes with its last lease
end
return 1
