-- Takes questions from the bucket of a list, which fills by itself.
-- ARGV: operation, list, now, wanted, tokens a second, most tokens, how many seconds clocks may differ.
-- Returns how many were taken. Sent again as the next command for this list it says the same and takes none.
local operation, list, now, wanted, pace, most, apart = unpack(ARGV, 1, 7)
local key = 'mc1:bucket:' .. list
local tokens, at, by, had, day, used = unpack(redis.call('HMGET', key, 'tokens', 'at', 'by', 'had', 'day', 'used'))
if by == operation then
    return cjson.encode(tonumber(had))
end
now, at, most = tonumber(now), tonumber(at or now), tonumber(most)
if at > now + tonumber(apart) then
    at = now  -- filled by a clock that was wrong
end
local filled = math.min(most, (tonumber(tokens) or most) + math.max(0, now - at) * pace)
local taken = math.max(0, math.min(tonumber(wanted), math.floor(filled)))
-- What was taken since midnight UTC is counted, to be looked at.
local today = math.floor(now / 86400)
used = taken + (tonumber(day) == today and tonumber(used) or 0)
redis.call('HSET', key, 'day', today, 'used', used)
-- A clock that is a little behind fills nothing until it has caught up.
redis.call('HSET', key, 'tokens', filled - taken, 'at', string.format('%.3f', math.max(now, at)), 'by', operation, 'had', taken)
redis.call('EXPIRE', key, 86400)
return cjson.encode(taken)
