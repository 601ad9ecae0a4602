-- Takes subjects that are due, the longest overdue first, and leaves them due again when the lease is over.
-- ARGV: schedule (mc1:looks, mc1:asks or mc1:tells), now, until when the lease holds, until when that of a range holds, how
-- many, when to come back where all are paused.
-- Returns [[subject, lease, [[channel, id, watch, incident, history or ''], ...]], ...]; subjects that only paused channels follow are
-- left out. Returns false where the schedule itself cannot be read.
-- A range of addresses is claimed alone, because it is as much work as all the others together, unless only a message is due.
-- What cannot be read is left out; a subject of which nothing can be read is due again as if all were paused.
-- A reply that is lost loses nothing: the subjects are due again after the lease.
local schedule, now, lease, range_lease, most, paused_until = unpack(ARGV, 1, 6)
local claimed, leases = {}, {}
local some_paused = (try('HLEN', 'mc1:resting') or 0) > 0  -- hardly ever: two commands less for each watch

-- Adds what is stored of a subject for a channel. Returns whether that is paused or cannot be read now, so that it is not over.
local function add(watched, subject, member)
    local id, channel = string.match(member, '^(%S+) (.*)$')
    local workspace = channel and string.match(channel, '^[^/]+/[^/]+')
    if not workspace then
        note('mc1:subject:' .. subject, '', 'no watch and channel')
        return false
    end
    if some_paused and (try('HEXISTS', 'mc1:resting', channel) == 1 or try('HEXISTS', 'mc1:resting', workspace) == 1) then
        return true
    end
    local watch, bad = try('HGET', 'mc1:watches:' .. channel, id)
    local incident, worse = try('HGET', 'mc1:incidents:' .. channel, id)
    if watch and incident then
        watched[#watched + 1] = { channel, id, watch, incident, try('HGET', 'mc1:history:' .. channel, id) or '' }
    end
    return bad or worse
end

local due, lost = try('ZRANGE', schedule, '-inf', now, 'BYSCORE', 'LIMIT', 0, most)
if lost then
    return answer(false)
end
for _, subject in ipairs(due) do
    local is_range = schedule ~= 'mc1:tells' and string.find(subject, '/', 1, true)
    if is_range and #claimed > 0 then
        break
    end
    local watched = {}
    local members, paused = try('SMEMBERS', 'mc1:subject:' .. subject)
    for _, member in ipairs(members or {}) do
        paused = add(watched, subject, member) or paused
    end
    if #watched > 0 then
        local until_when = is_range and range_lease or lease
        leases[#leases + 1], leases[#leases + 2] = until_when, subject
        claimed[#claimed + 1] = { subject, until_when, watched }
        if is_range then
            break
        end
    elseif paused and schedule == 'mc1:looks' then
        redis.call('ZADD', schedule, 'XX', paused_until, subject)
    else
        redis.call('ZREM', schedule, subject)
    end
end
if #claimed > 0 then
    redis.call('ZADD', schedule, 'XX', unpack(leases))
end
return answer_list(claimed)
