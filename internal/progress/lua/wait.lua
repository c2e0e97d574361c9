-- Shows that a job waits for the database, until one of its chunks moves on or the job is shown anew, with the time in
-- seconds of Redis's clock, since readers believe it for a while only.
--
-- KEYS[1]  hash of the job
-- ARGV[1]  why the database does not serve
-- Returns 1, or 0 when the hash is missing.
if redis.call('HEXISTS', KEYS[1], 'doc') == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'wait', ARGV[1] .. '@' .. redis.call('TIME')[1])
return 1
