-- Replaces a time in a hash that is later than it can be, as a clock that was wrong leaves it.
-- ARGV: key, field, the latest it can be, what to write then. Returns whether it was replaced; sent again it is not.
-- What cannot be read stays as it is.
local key, field, latest, instead = unpack(ARGV, 1, 4)
local held = tonumber(try('HGET', key, field) or '')
if not held or held <= tonumber(latest) then
    return answer(false)
end
redis.call('HSET', key, field, instead)
return answer(true)
