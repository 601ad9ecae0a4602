-- Replaces a time in a hash that is later than it can be, as a clock that was wrong leaves it.
-- ARGV: key, field, the latest it can be, what to write then. Returns whether it was replaced; sent again it is not.
local key, field, latest, instead = unpack(ARGV, 1, 4)
local held = redis.call('HGET', key, field)
if not held or tonumber(held) <= tonumber(latest) then
    return cjson.encode(false)
end
redis.call('HSET', key, field, instead)
return cjson.encode(true)
