-- Replaces the text of a watch, if it is still what was read; what is remembered of it stays.
-- ARGV: operation, room, id, watch as it was read, watch, subject as it was read, subject, when to look at the latest,
-- then how what the watch wishes for changes: name and number of questions, below zero for fewer.
-- A look under way at another subject than before is made again: what it found is about that other one.
-- Returns whether the watch now is as given. Sent again it says the same and changes nothing.
local operation, room, id, was, watch, before, subject, due = unpack(ARGV, 1, 8)
local watches, incidents = 'mc1:watches:' .. room, 'mc1:incidents:' .. room
local held = try('HGET', watches, id)
if held ~= was then
    return answer(held == watch)
end
redis.call('HSET', watches, id, watch)
if subject ~= before then
    local incident = try('HGET', incidents, id)
    if incident then
        redis.call('HSET', incidents, id, operation .. string.match(incident, ' .*$'))
    end
    try('SADD', 'mc1:subject:' .. subject, id .. ' ' .. room)
    try('SREM', 'mc1:subject:' .. before, id .. ' ' .. room)
    if redis.call('EXISTS', 'mc1:subject:' .. before) == 0 then
        try('ZREM', 'mc1:looks', before)
        try('ZREM', 'mc1:asks', before)
        try('ZREM', 'mc1:tells', before)
    end
end
try('ZADD', 'mc1:looks', 'LT', due, subject)
for i = 9, #ARGV, 2 do
    if count('mc1:wishes', ARGV[i], ARGV[i + 1]) <= 0 then
        try('HDEL', 'mc1:wishes', ARGV[i])
    end
end
return answer(true)
