-- Renews a deployment's hold on a prefix, or takes a prefix that nobody holds.
--
-- KEYS[1]  HASH  id: the deployment's; address: where its database is, for people
-- ARGV[1]  id
-- ARGV[2]  address
-- ARGV[3]  how long it holds the prefix without another renewal, ms
--
-- Returns {} when it holds the prefix, else {address of the holder, ms until it runs out unless that renews it}.
local holder = redis.call('HGET', KEYS[1], 'id')
if holder and holder ~= ARGV[1] then
  return {redis.call('HGET', KEYS[1], 'address') or '', redis.call('PTTL', KEYS[1])}
end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'address', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {}
