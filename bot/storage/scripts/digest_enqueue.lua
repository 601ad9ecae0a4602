-- Puts the digest of a room into its outbox, if it is still due as it was read, and plans the next one.
-- ARGV: room, when it was due, when the next one is, letter ('': there is nothing to say).
-- A letter is its id, a line break, and its text. Returns whether it was done; sent again it is not done again.
local room, due, again_at, letter = unpack(ARGV, 1, 4)
local held = try('ZSCORE', 'mc1:digests', room)
if not held or tonumber(held) ~= tonumber(due) then
    return answer(false)
end
try('ZADD', 'mc1:digests', again_at, room)
if letter ~= '' then
    renew('RPUSH', 'mc1:outbox:' .. room, letter)
    try('ZADD', 'mc1:waiting', 'NX', 0, room)
end
return answer(true)
