-- Does what asynq's script does to enqueue a task, with keys that expire at once.
--
-- KEYS[1]  HASH  as a task's
-- KEYS[2]  LIST  as that of the tasks that wait
-- Returns 1.
redis.call('EXISTS', KEYS[1])
redis.call('HSET', KEYS[1], 'state', 'check')
redis.call('PEXPIRE', KEYS[1], 1000)
redis.call('LPUSH', KEYS[2], 'check')
redis.call('PEXPIRE', KEYS[2], 1000)
return 1
