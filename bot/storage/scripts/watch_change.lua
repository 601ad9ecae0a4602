-- Replaces the text of a watch, if it is still what was read; what is remembered of it stays.
-- ARGV: operation, channel, id, watch as it was read, watch, subject as it was read, subject, the latest time of its next
-- poll, then the change of its demand: name and number of queries, below zero for fewer.
-- A poll under way of another subject than before is repeated: its results are about that other one.
-- Returns whether the watch now is as given. Sent again it returns the same and changes nothing.
local operation, channel, id, was, watch, before, subject, due = unpack(ARGV, 1, 8)
local watches, incidents = 'mc1:watches:' .. channel, 'mc1:incidents:' .. channel
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
    try('SADD', 'mc1:subject:' .. subject, id .. ' ' .. channel)
    try('SREM', 'mc1:subject:' .. before, id .. ' ' .. channel)
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
