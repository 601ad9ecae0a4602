-- Replaces what is remembered of all lists, if it was not replaced since it was read, and adds the notes that follow, and the
-- messages about them.
-- ARGV: operation, the operation that wrote what was read ('': nothing), text, most notes, how many notes, note, ...,
-- channel, message, ... A message is its id, a line break, and its text.
-- Returns whether it was replaced. Sent again it returns the same and adds nothing.
local operation, was, text, most = unpack(ARGV, 1, 4)
local notes = tonumber(ARGV[5])
local held = try('GET', 'mc1:lists')
local by = held and string.match(held, '^%S+') or ''
if by == was then
    redis.call('SET', 'mc1:lists', operation .. ' ' .. text)
    for i = 6, 5 + notes do
        renew('XADD', 'mc1:notes', 'MAXLEN', '~', most, '*', 'note', ARGV[i])
    end
    for i = 6 + notes, #ARGV, 2 do
        renew('RPUSH', 'mc1:outbox:' .. ARGV[i], ARGV[i + 1])
        try('ZADD', 'mc1:waiting', 'NX', 0, ARGV[i])
    end
end
return answer(by == was or by == operation)
