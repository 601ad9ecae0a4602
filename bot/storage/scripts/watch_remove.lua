-- Ends a watch; the last one of a subject ends its polls too.
-- ARGV: operation, channel, workspace, id, subject, seconds to remember a removed watch, then its demand: name
-- and number of queries.
-- Messages that wait in the outbox of the channel may be about the watch, so its text is stored for them.
-- Returns whether there was such a watch. Sent again within ten minutes it returns the same.
local operation, channel, workspace, id, subject, remembered = unpack(ARGV, 1, 6)
local done, removed = 'mc1:done:' .. operation, 'mc1:removed:' .. channel
local watch = try('HGET', 'mc1:watches:' .. channel, id)
if (try('HDEL', 'mc1:watches:' .. channel, id) or 0) == 0 then
    return answer(redis.call('EXISTS', done) == 1)
end
redis.call('SET', done, 1, 'EX', 600)
if watch and redis.call('EXISTS', 'mc1:outbox:' .. channel) == 1 then
    renew('HSET', removed, id, watch)
    redis.call('EXPIRE', removed, remembered)
end
try('HDEL', 'mc1:incidents:' .. channel, id)
try('HDEL', 'mc1:history:' .. channel, id)
if count('mc1:rooms:' .. workspace, channel, -1) <= 0 then
    try('HDEL', 'mc1:rooms:' .. workspace, channel)
end
try('SREM', 'mc1:subject:' .. subject, id .. ' ' .. channel)
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
