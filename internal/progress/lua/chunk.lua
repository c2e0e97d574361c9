-- Moves the progress of one chunk forward, never back: a late write of a fenced worker changes nothing.
-- The job waits for the database no longer, which has just stored the rows.
--
-- KEYS[1]  hash of the job
-- ARGV     field and value in turn, as in put.lua
-- Returns 1, or 0 when the hash is missing: a hash with this chunk alone would show less than there is, so it is left
-- to a reader or the reconciler to write the whole.
if redis.call('HEXISTS', KEYS[1], 'doc') == 0 then
  return 0
end
for i = 1, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) > tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0') then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('HDEL', KEYS[1], 'wait')
  end
end
return 1
