-- Takes subjects that are due, the longest overdue first, and leaves them due again when the lease is over.
-- ARGV: schedule (mc1:looks, mc1:asks or mc1:tells), now, until when the lease holds, until when that of a range holds, how
-- many, when to come back where all rest.
-- Returns [[subject, lease, [[room, id, watch, incident, history or ''], ...]], ...]; subjects that only resting rooms follow are left out.
-- A range of addresses is claimed alone, because it is as much work as all the others together, unless it is only to speak.
-- A reply that is lost loses nothing: the subjects are due again after the lease.
local schedule, now, lease, range_lease, most, rested = unpack(ARGV, 1, 6)
local claimed = {}
for _, subject in ipairs(redis.call('ZRANGE', schedule, '-inf', now, 'BYSCORE', 'LIMIT', 0, most)) do
    local is_range = schedule ~= 'mc1:tells' and string.find(subject, '/', 1, true)
    if is_range and #claimed > 0 then
        break
    end
    local watched, resting = {}, false
    for _, member in ipairs(redis.call('SMEMBERS', 'mc1:subject:' .. subject)) do
        local id, room = string.match(member, '^(%S+) (.*)$')
        local space = string.match(room, '^[^/]+/[^/]+')
        if redis.call('HEXISTS', 'mc1:resting', room) == 1 or redis.call('HEXISTS', 'mc1:resting', space) == 1 then
            resting = true
        else
            local watch = redis.call('HGET', 'mc1:watches:' .. room, id)
            local incident = redis.call('HGET', 'mc1:incidents:' .. room, id)
            if watch and incident then
                local history = redis.call('HGET', 'mc1:history:' .. room, id)
                watched[#watched + 1] = { room, id, watch, incident, history or '' }
            end
        end
    end
    if #watched > 0 then
        local until_when = is_range and range_lease or lease
        redis.call('ZADD', schedule, 'XX', until_when, subject)
        claimed[#claimed + 1] = { subject, until_when, watched }
        if is_range then
            break
        end
    elseif resting and schedule == 'mc1:looks' then
        redis.call('ZADD', schedule, 'XX', rested, subject)
    else
        redis.call('ZREM', schedule, subject)
    end
end
return #claimed > 0 and cjson.encode(claimed) or '[]'
