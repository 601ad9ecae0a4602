-- Ends a watch; the last one of a subject ends its looks too.
-- ARGV: operation, room, space, id, subject, then what the watch wished for: name and number of questions.
-- Returns whether there was such a watch. Sent again within ten minutes it says the same.
local operation, room, space, id, subject = unpack(ARGV, 1, 5)
local done = 'mc1:done:' .. operation
if redis.call('HDEL', 'mc1:watches:' .. room, id) == 0 then
    return cjson.encode(redis.call('EXISTS', done) == 1)
end
redis.call('SET', done, 1, 'EX', 600)
redis.call('HDEL', 'mc1:incidents:' .. room, id)
redis.call('HDEL', 'mc1:history:' .. room, id)
if redis.call('HINCRBY', 'mc1:rooms:' .. space, room, -1) <= 0 then
    redis.call('HDEL', 'mc1:rooms:' .. space, room)
end
redis.call('SREM', 'mc1:subject:' .. subject, id .. ' ' .. room)
if redis.call('EXISTS', 'mc1:subject:' .. subject) == 0 then
    redis.call('ZREM', 'mc1:looks', subject)
    redis.call('ZREM', 'mc1:asks', subject)
    redis.call('ZREM', 'mc1:tells', subject)
end
for i = 6, #ARGV, 2 do
    if redis.call('HINCRBY', 'mc1:wishes', ARGV[i], -ARGV[i + 1]) <= 0 then
        redis.call('HDEL', 'mc1:wishes', ARGV[i])
    end
end
return cjson.encode(true)
