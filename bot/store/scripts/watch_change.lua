-- Replaces what is remembered of a watch, if nobody did so since it was read.
-- ARGV: operation, room, id, the operation that wrote what was read, incident, subject, when
-- to speak ('': as it was to be).
-- Returns whether it was replaced. Sent again it says the same.
local operation, room, id, was, incident, subject, tell = unpack(ARGV, 1, 7)
local held = redis.call('HGET', 'mc1:incidents:' .. room, id)
local by = held and string.match(held, '^%S+')
if by == was then
    redis.call('HSET', 'mc1:incidents:' .. room, id, operation .. ' ' .. incident)
    if tell ~= '' then
        redis.call('ZADD', 'mc1:tells', 'LT', tell, subject)
    end
end
return cjson.encode(by == was or by == operation)
