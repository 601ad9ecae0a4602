-- Moves the first letter of a room's outbox, or what is not a list at all, out of the way of those behind it.
-- ARGV: room, letter as read ('': the outbox is no list). Returns whether it was done; a letter is moved once only.
local room, letter = unpack(ARGV, 1, 2)
local outbox = 'mc1:outbox:' .. room
local first, bad = try('LINDEX', outbox, 0)
if bad then
    set_aside(outbox)
elseif first and first == letter then
    renew('RPUSH', 'mc1:unreadable:outbox:' .. room, letter)
    redis.call('LPOP', outbox)
    redis.call('DEL', 'mc1:intent:' .. room)
else
    return answer(false)
end
if redis.call('EXISTS', outbox) == 0 then
    try('ZREM', 'mc1:waiting', room)
end
return answer(true)
