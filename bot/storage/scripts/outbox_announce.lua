-- Puts a letter about what watches follow into the outbox of a room, the first time only.
-- ARGV: space, room, letter (its id, a line break, and its text). Returns whether it was put there; sent again it is
-- not put there again.
local space, room, letter = unpack(ARGV, 1, 3)
local first = renew('HSETNX', 'mc1:announced:' .. space, room, '1') == 1
if first then
    renew('RPUSH', 'mc1:outbox:' .. room, letter)
    try('ZADD', 'mc1:waiting', 'NX', 0, room)
end
return answer(first)
