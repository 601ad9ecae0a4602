-- Replaces what is remembered of a watch, if it was not changed since it was read.
-- ARGV: operation, channel, id, the operation that wrote what was read, incident, history ('': as it was), subject, when
-- its next message is due ('': as before).
-- Returns whether it was replaced. Sent again it returns the same.
local operation, channel, id, was, incident, history, subject, due = unpack(ARGV, 1, 8)
local held = try('HGET', 'mc1:incidents:' .. channel, id)
local by = held and string.match(held, '^%S+')
if by == was then
    redis.call('HSET', 'mc1:incidents:' .. channel, id, operation .. ' ' .. incident)
    if history ~= '' then
        renew('HSET', 'mc1:history:' .. channel, id, history)
    end
    if due ~= '' then
        try('ZADD', 'mc1:tells', 'LT', due, subject)
    end
end
return answer(by == was or by == operation)
