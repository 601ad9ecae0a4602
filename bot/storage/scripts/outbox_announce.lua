-- Puts a message about what watches follow into the outbox of a channel, the first time only.
-- ARGV: workspace, channel, message (its id, a line break, and its text). Returns whether it was put there; sent again it is
-- not put there again.
local workspace, channel, message = unpack(ARGV, 1, 3)
local first = renew('HSETNX', 'mc1:announced:' .. workspace, channel, '1') == 1
if first then
    renew('RPUSH', 'mc1:outbox:' .. channel, message)
    try('ZADD', 'mc1:waiting', 'NX', 0, channel)
end
return answer(first)
