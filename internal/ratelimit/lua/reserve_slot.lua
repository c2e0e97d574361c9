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
-- As few calls as it takes: each costs as much as a bare EVALSHA does.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local lease = now + ARGV[3]

local members = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES') -- the tier's few, by their ends
local held, last, dead = 0, 0, 0
local live = {}
for i = 1, #members, 2 do
  local ends = tonumber(members[i + 1])
  if ends > now then
    live[#live + 1] = members[i]
  else
    dead = dead + 1
  end
  if members[i] == ARGV[1] then
    held = ends
  end
  last = ends
end
local used = #live

if held <= now then
  if used >= tonumber(ARGV[2]) then
    local answer = {'full', used, 0}
    for _, id in ipairs(live) do
      answer[#answer + 1] = id
    end
    return answer
  end
  if ARGV[4] ~= '0' then
    local wait = tonumber(redis.call('GET', KEYS[2]) or 0) - now
    if wait > 0 then
      return {'cooldown', used, wait}
    end
  end
end

lease = math.max(lease, held) -- a lease that was renewed is longer, and stays
if dead > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
end
redis.call('ZADD', KEYS[1], string.format('%.0f', lease), ARGV[1])
if lease > last then -- the key goes with its last lease
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', lease))
end
return 1
