-- Takes queries from the token bucket of a list.
-- ARGV: operation, list, now, wanted, tokens a second, most tokens, how many seconds clocks may differ,
-- and how many watches and people together may query in a day; 0 or nothing where there is no such limit.
-- Returns how many were taken. Sent again as the next command for this list it returns the same and takes none.
local operation, list, now, wanted, rate, most, apart, limit = unpack(ARGV, 1, 8)
local key = 'mc1:bucket:' .. list
local tokens, at, by, had, day, used = unpack(renew('HMGET', key, 'tokens', 'at', 'by', 'had', 'day', 'used'))
if by == operation then
    return answer(tonumber(had) or 0)
end
now, most, tokens = tonumber(now), tonumber(most), tonumber(tokens)
at = tonumber(at) or now
-- What no call can have left there counts as a full bucket, taken from just now.
if not tokens or tokens < 0 or tokens ~= tokens or not (at >= 0) then
    tokens, at = most, now
elseif at > now + tonumber(apart) then
    at = now  -- filled by a clock that was wrong
end
local filled = math.min(most, tokens + math.max(0, now - at) * rate)
-- What was taken since midnight UTC is counted.
local today = math.floor(now / 86400)
used = tonumber(day) == today and tonumber(used) or 0
used = used >= 0 and used < 2 ^ 53 and used or 0
limit = tonumber(limit) or 0
if limit > 0 then
    local people = try('HMGET', 'mc1:day:' .. list, 'day', 'total')
    local queried = people and tonumber(people[1]) == today and tonumber(people[2]) or 0
    wanted = math.min(tonumber(wanted), limit - used - queried)
end
local taken = math.max(0, math.min(tonumber(wanted), math.floor(filled)))
used = used + taken
redis.call('HSET', key, 'day', today, 'used', used)
-- A clock that is a little behind fills nothing until it has caught up.
redis.call('HSET', key, 'tokens', filled - taken, 'at', string.format('%.3f', math.max(now, at)), 'by', operation, 'had', taken)
redis.call('EXPIRE', key, 86400)
return answer(taken)
