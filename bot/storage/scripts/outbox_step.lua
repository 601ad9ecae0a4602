-- Moves the first message of a channel's outbox one step, if it still is that message.
-- ARGV: operation, step, channel, message, a time, tries as read, thread ('': none), message_id, seconds to remember a thread.
-- 'sending' marks the intent for the one who read the message as it is; 'held' takes back the intent that
-- has so many tries, and lets the channel wait until that time; 'waits' only lets it wait, and never shortens a wait; 'sent' and
-- 'dropped' take the message out.
-- Returns whether the step was made. Sent again, a step has no second effect.
local operation, step, channel, message, at, tries, thread, message_id, remembered = unpack(ARGV, 1, 9)
local outbox, intent = 'mc1:outbox:' .. channel, 'mc1:intent:' .. channel
local first = try('LINDEX', outbox, 0)
if not first or string.sub(first, 1, #message + 1) ~= message .. '\n' then
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
    try('ZADD', 'mc1:waiting', at, channel)
elseif step == 'waits' then
    try('ZADD', 'mc1:waiting', 'GT', at, channel)
else
    redis.call('LPOP', outbox)
    redis.call('DEL', intent)
    if thread ~= '' then
        redis.call('SET', 'mc1:thread:' .. channel .. ':' .. thread, message_id, 'EX', remembered)
    end
    if redis.call('EXISTS', outbox) == 0 then
        try('ZREM', 'mc1:waiting', channel)
    else
        try('ZADD', 'mc1:waiting', 0, channel)
    end
end
return answer(true)
