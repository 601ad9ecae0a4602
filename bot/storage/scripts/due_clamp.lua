-- Brings back due times that are further ahead than they can be, as a clock that was wrong leaves them.
-- ARGV: schedule, now, until when the lease holds, until when that of a range holds, when to come back where all rest,
-- furthest a due may be where no watch limits it, where to put it then, furthest for a muted watch, jitter, subject, ...
-- A poll is due within the interval of its watch times what the budget of its lists stretches it, and goes to a place
-- in that interval that is its own, so that polls do not come all at once.
-- What cannot be read counts as if no watch named it. Returns how many were brought back. Sent again it finds nothing.
local schedule, now, lease, range_lease, paused_until, most, back, muted, jitter = unpack(ARGV, 1, 9)
now, most = tonumber(now), tonumber(most)
local is_polls, is_notices = schedule == 'mc1:looks', schedule == 'mc1:tells'
local stretched, brought = {}, 0

-- The document of a text as a table; an empty one where it cannot be read.
local function decode(text)
    local readable, document = pcall(cjson.decode, text or '')
    return readable and type(document) == 'table' and document or {}
end

local function factor(workspace, watch)
    stretched[workspace] = stretched[workspace] or decode(try('HGET', 'mc1:stretched', workspace))
    local kinds, factors = stretched[workspace], 1
    if type(watch.network) == 'string' then
        factors = math.max(factors, tonumber(kinds[string.find(watch.network, ':', 1, true) and 'ip6' or 'ip4']) or 1)
    end
    if type(watch.domain) == 'string' then
        factors = math.max(factors, tonumber(kinds.domain) or 1)
    end
    return factors
end

local function furthest(id, channel)
    local workspace = channel and string.match(channel, '^[^/]+/[^/]+')
    if not workspace then
        return most
    end
    if try('HEXISTS', 'mc1:resting', channel) == 1 or try('HEXISTS', 'mc1:resting', workspace) == 1 then
        return tonumber(paused_until)
    end
    if is_polls then
        local watch = decode(try('HGET', 'mc1:watches:' .. channel, id))
        local every = tonumber(watch.every)
        return every and every > 0 and now + every * factor(workspace, watch) * jitter or most
    end
    local incident = is_notices and try('HGET', 'mc1:incidents:' .. channel, id)
    local held = decode(incident and string.match(incident, '^%S+ (.*)$'))
    return type(held.muted) == 'table' and tonumber(muted) or most
end

for i = 10, #ARGV do
    local subject = ARGV[i]
    local due, bound = try('ZSCORE', schedule, subject), nil
    for _, member in ipairs(try('SMEMBERS', 'mc1:subject:' .. subject) or {}) do
        local reach = furthest(string.match(member, '^(%S+) (.*)$'))
        bound = math.min(bound or reach, reach)
    end
    bound = math.max(bound or most, tonumber(string.find(subject, '/', 1, true) and range_lease or lease))
    if due and tonumber(due) > bound then
        local place = tonumber(string.sub(redis.sha1hex(subject), 1, 8), 16) / 2 ^ 32
        redis.call('ZADD', schedule, is_polls and string.format('%.3f', now + (bound - now) * place) or back, subject)
        brought = brought + 1
    end
end
return answer(brought)
