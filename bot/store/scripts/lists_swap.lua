-- Replaces what is remembered of all lists, if nobody did so since it was read, and adds the notes that come of it.
-- ARGV: operation, the operation that wrote what was read ('': nothing), text, most notes, note, ...
-- Returns whether it was replaced. Sent again it says the same and adds nothing.
local operation, was, text, most = unpack(ARGV, 1, 4)
local held = redis.call('GET', 'mc1:lists')
local by = held and string.match(held, '^%S+') or ''
if by == was then
    redis.call('SET', 'mc1:lists', operation .. ' ' .. text)
    for i = 5, #ARGV do
        redis.call('XADD', 'mc1:notes', 'MAXLEN', '~', most, '*', 'note', ARGV[i])
    end
end
return cjson.encode(by == was or by == operation)
