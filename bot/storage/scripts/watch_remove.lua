-- Ends a watch; the last one of a subject ends its looks too.
-- ARGV: operation, room, space, id, subject, seconds to remember a removed watch, then what the watch wished for: name
-- and number of questions.
-- Messages that wait in the outbox of the room may be about the watch, so its text is kept for them.
-- Returns whether there was such a watch. Sent again within ten minutes it says the same.
local operation, room, space, id, subject, remembered = unpack(ARGV, 1, 6)
local done, removed = 'mc1:done:' .. operation, 'mc1:removed:' .. room
local watch = try('HGET', 'mc1:watches:' .. room, id)
if (try('HDEL', 'mc1:watches:' .. room, id) or 0) == 0 then
    return answer(redis.call('EXISTS', done) == 1)
end
redis.call('SET', done, 1, 'EX', 600)
if watch and redis.call('EXISTS', 'mc1:outbox:' .. room) == 1 then
    renew('HSET', removed, id, watch)
    redis.call('EXPIRE', removed, remembered)
end
try('HDEL', 'mc1:incidents:' .. room, id)
try('HDEL', 'mc1:history:' .. room, id)
if count('mc1:rooms:' .. space, room, -1) <= 0 then
    try('HDEL', 'mc1:rooms:' .. space, room)
end
try('SREM', 'mc1:subject:' .. subject, id .. ' ' .. room)
if redis.call('EXISTS', 'mc1:subject:' .. subject) == 0 then
    try('ZREM', 'mc1:looks', subject)
    try('ZREM', 'mc1:asks', subject)
    try('ZREM', 'mc1:tells', subject)
end
for i = 7, #ARGV, 2 do
    if count('mc1:wishes', ARGV[i], -ARGV[i + 1]) <= 0 then
        try('HDEL', 'mc1:wishes', ARGV[i])
    end
end
return answer(true)
