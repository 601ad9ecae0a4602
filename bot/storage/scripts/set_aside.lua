-- Renames a key that cannot be read. ARGV: key, its type as it should be, its text as read ('': its type is wrong).
-- Returns whether it was renamed; a key that was replaced since then stays.
local key, kind, text = unpack(ARGV, 1, 3)
local is = redis.call('TYPE', key).ok
local bad = is ~= 'none' and is ~= kind or text ~= '' and is == 'string' and redis.call('GET', key) == text
if bad then
    set_aside(key)
end
return answer(bad)
