-- Ends polls: what is remembered, which messages are due and when to poll again change together, or not at all.
-- ARGV: schedule, most messages in a channel's outbox, when to poll again at what could not be stored, and JSON [[subject,
-- lease, poll due or '', recheck due or '', notice due or '', [[channel, id, was, operation, incident, history or '' (as it was),
-- [message, ...]], ...]], ...].
-- A message is its id, a line break, and its text. '' takes the subject out of that schedule, but never out of the polls.
-- A subject whose lease is over, or was ended by this very call sent before, is left as it is. A watch that was
-- changed since it was read, or whose channel has too many messages, is left as it is and due again.
-- Returns for each subject 'done', 'again' or 'late'.
local schedule, most, again_at = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local ends = {}

local function changed(channel, id, was, operation, incident, history, messages)
    local incidents, outbox = 'mc1:incidents:' .. channel, 'mc1:outbox:' .. channel
    local held = try('HGET', incidents, id)
    if not held or string.match(held, '^%S+') ~= was then
        return false
    end
    if #messages > 0 then
        if renew('LLEN', outbox) + #messages > most then
            return false
        end
        redis.call('RPUSH', outbox, unpack(messages))
        try('ZADD', 'mc1:waiting', 'NX', 0, channel)
    end
    redis.call('HSET', incidents, id, operation .. ' ' .. incident)
    if history ~= '' then
        renew('HSET', 'mc1:history:' .. channel, id, history)
    end
    return true
end

-- What goes into and out of each schedule, written with one command each.
local dues = { ['mc1:looks'] = {}, ['mc1:asks'] = {}, ['mc1:tells'] = {} }
local over = { ['mc1:asks'] = {}, ['mc1:tells'] = {} }

local function plan(name, due, subject, stored)
    if not stored and name == schedule then
        due = again_at
    end
    if due ~= '' then
        local list = dues[name]
        list[#list + 1], list[#list + 2] = due, subject
    elseif name ~= 'mc1:looks' then
        local list = over[name]
        list[#list + 1] = subject
    end
end

local polls, subjects = cjson.decode(ARGV[4]), {}
for i, poll in ipairs(polls) do
    subjects[i] = poll[1]
end
local scores = try('ZMSCORE', schedule, unpack(subjects))
for i, poll in ipairs(polls) do
    local subject, lease, poll_due, recheck_due, notice_due, changes = unpack(poll)
    local score = scores and scores[i]
    if not score or tonumber(score) ~= tonumber(lease) then
        ends[i] = 'late'
    else
        local all = true
        for _, change in ipairs(changes) do
            all = changed(unpack(change)) and all
        end
        plan('mc1:looks', poll_due, subject, all)
        plan('mc1:asks', recheck_due, subject, all)
        plan('mc1:tells', notice_due, subject, all)
        ends[i] = all and 'done' or 'again'
    end
end
for name, list in pairs(dues) do
    if #list > 0 then
        -- Polls are built anew where they cannot be read; the others begin again.
        local add = name == 'mc1:looks' and try or renew
        add('ZADD', name, unpack(list))
    end
end
for name, list in pairs(over) do
    if #list > 0 then
        try('ZREM', name, unpack(list))
    end
end
return answer_list(ends)
