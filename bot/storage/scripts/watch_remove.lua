-- Ends a watch; the last one of a subject ends its looks too.
-- ARGV: operation, room, space, id, subject, then what the watch wished for: name and number of questions.
-- Returns whether there was such a watch. Sent again within ten minutes it says the same.
local operation, room, space, id, subject = unpack(ARGV, 1, 5)
local done = 'mc1:done:' .. operation
if (try('HDEL', 'mc1:watches:' .. room, id) or 0) == 0 then
    return answer(redis.call('EXISTS', done) == 1)
end
redis.call('SET', done, 1, 'EX', 600)
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
for i = 6, #ARGV, 2 do
    if count('mc1:wishes', ARGV[i], -ARGV[i + 1]) <= 0 then
        try('HDEL', 'mc1:wishes', ARGV[i])
    end
end
return answer(true)
