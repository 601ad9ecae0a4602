-- Puts the digest of a channel into its outbox, if it is still due as it was read, and plans the next one.
-- ARGV: channel, when it was due, when the next one is, message ('': there is nothing to report).
-- A message is its id, a line break, and its text. Returns whether it was done; sent again it is not done again.
local channel, due, again_at, message = unpack(ARGV, 1, 4)
local held = try('ZSCORE', 'mc1:digests', channel)
if not held or tonumber(held) ~= tonumber(due) then
    return answer(false)
end
try('ZADD', 'mc1:digests', again_at, channel)
if message ~= '' then
    renew('RPUSH', 'mc1:outbox:' .. channel, message)
    try('ZADD', 'mc1:waiting', 'NX', 0, channel)
end
return answer(true)
