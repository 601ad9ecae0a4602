-- Replaces what is remembered of a watch, if nobody did so since it was read.
-- ARGV: operation, room, id, the operation that wrote what was read, incident, history ('': as it was), subject, when
-- to speak ('': as it was to be).
-- Returns whether it was replaced. Sent again it says the same.
local operation, room, id, was, incident, history, subject, tell = unpack(ARGV, 1, 8)
local held = try('HGET', 'mc1:incidents:' .. room, id)
local by = held and string.match(held, '^%S+')
if by == was then
    redis.call('HSET', 'mc1:incidents:' .. room, id, operation .. ' ' .. incident)
    if history ~= '' then
        renew('HSET', 'mc1:history:' .. room, id, history)
    end
    if tell ~= '' then
        try('ZADD', 'mc1:tells', 'LT', tell, subject)
    end
end
return answer(by == was or by == operation)
