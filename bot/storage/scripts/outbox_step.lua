-- Moves the first letter of a room's outbox one step, if it still is that letter.
-- ARGV: operation, step, room, letter, a time, tries as read, thread ('': none), message, seconds to remember a thread.
-- 'sending' marks the intent for the one who read the letter as it is; 'held' takes back the intent that
-- has so many tries, and lets the room wait until that time; 'waits' only lets it wait, and never shortens a wait; 'sent' and
-- 'dropped' take the letter out.
-- Returns whether the step was made. Sent again, a step has no second effect.
local operation, step, room, letter, at, tries, thread, message, remembered = unpack(ARGV, 1, 9)
local outbox, intent = 'mc1:outbox:' .. room, 'mc1:intent:' .. room
local first = try('LINDEX', outbox, 0)
if not first or string.sub(first, 1, #letter + 1) ~= letter .. '\n' then
    return answer(false)
end
if step == 'sending' then
    if try('HGET', intent, 'by') == operation then
        return answer(true)
    end
    if (try('HGET', intent, 'tries') or '0') ~= tries then
        return answer(false)
    end
    renew('HSET', intent, 'at', at, 'tries', tries + 1, 'by', operation)
elseif step == 'held' then
    if try('HGET', intent, 'tries') ~= tries then
        return answer(false)
    end
    try('HDEL', intent, 'at')
    try('ZADD', 'mc1:waiting', at, room)
elseif step == 'waits' then
    try('ZADD', 'mc1:waiting', 'GT', at, room)
else
    redis.call('LPOP', outbox)
    redis.call('DEL', intent)
    if thread ~= '' then
        redis.call('SET', 'mc1:thread:' .. room .. ':' .. thread, message, 'EX', remembered)
    end
    if redis.call('EXISTS', outbox) == 0 then
        try('ZREM', 'mc1:waiting', room)
    else
        try('ZADD', 'mc1:waiting', 0, room)
    end
end
return answer(true)
