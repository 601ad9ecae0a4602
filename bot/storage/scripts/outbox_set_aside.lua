-- Moves the first message of a channel's outbox, or what is not a list at all, out of the way of those behind it.
-- ARGV: channel, message as read ('': the outbox is no list). Returns whether it was done; a message is moved once only.
local channel, message = unpack(ARGV, 1, 2)
local outbox = 'mc1:outbox:' .. channel
local first, bad = try('LINDEX', outbox, 0)
if bad then
    set_aside(outbox)
elseif first and first == message then
    renew('RPUSH', 'mc1:unreadable:outbox:' .. channel, message)
    redis.call('LPOP', outbox)
    redis.call('DEL', 'mc1:intent:' .. channel)
else
    return answer(false)
end
if redis.call('EXISTS', outbox) == 0 then
    try('ZREM', 'mc1:waiting', channel)
end
return answer(true)
