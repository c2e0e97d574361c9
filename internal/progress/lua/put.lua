-- Shows a job: its document, and how far its chunks are. Whoever shows it has just read it from the database, so it waits
-- for that no longer.
--
-- KEYS[1]  hash of the job
-- ARGV[1]  version of the document; an older one than the stored never replaces it
-- ARGV[2]  the document, JSON
-- ARGV[3]  expiry of the hash, seconds
-- ARGV[4…] field and value in turn: rows done of a chunk ("0", "1", …), rows rejected ("r0", "r1", …), and of a file's rows those
--          that changed a user ("u0", …), said nothing new ("n0", …) and were passed over ("s0", …); "p": bytes prepared
-- Returns 1 when the document was stored, 0 when a newer one stands.
local stored = tonumber(redis.call('HGET', KEYS[1], 'v') or '-1')
local newer = tonumber(ARGV[1]) >= stored
for i = 4, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) > tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0') then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
if not newer then
  return 0
end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'doc', ARGV[2])
redis.call('HDEL', KEYS[1], 'wait')
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
