-- Takes n from a budget that a whole fleet shares, all or nothing, in fixed windows. A window starts with the first
-- taking after the last one ended.
--
-- KEYS[1]  HASH  used: taken in this window; ends: its end, ms of this server's TIME
-- ARGV[1]  n, 1 .. limit; or 'all': spend whatever is left
-- ARGV[2]  the limit of a window
-- ARGV[3]  length of a window, ms
--
-- Returns 0 when n was taken, else the ms until the window ends; for 'all' always the latter.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local limit = tonumber(ARGV[2])
local used = tonumber(redis.call('HGET', KEYS[1], 'used') or 0)
local ends = tonumber(redis.call('HGET', KEYS[1], 'ends') or 0)

if ends <= now then
  used = 0
  ends = now + ARGV[3]
end

local answer = 0
if ARGV[1] == 'all' then
  used = math.max(used, limit)
  answer = ends - now
elseif used + ARGV[1] > limit then
  return ends - now
else
  used = used + ARGV[1]
end

redis.call('HSET', KEYS[1], 'used', string.format('%.0f', used), 'ends', string.format('%.0f', ends))
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', ends))
return answer
