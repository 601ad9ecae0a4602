-- Looks at many questions at once and takes the turn to ask those that nobody has answered or is asking.
-- KEYS[i]: a question. ARGV[1]: how long a turn is held, in ms; 0 only looks. ARGV[i + 1]: who would ask question i.
-- A turn with more time left than a turn has was taken before the clock of the store was set back: it is over.
-- A key holds '=' and the answer, or '?' and who is asking; both go away by themselves.
-- Returns one JSON list, because a client reads one string far faster than hundreds:
-- ["answer", ms left] where there is one, 1 where the caller should ask, 0 where another is asking.
local turn_ms = tonumber(ARGV[1])
local seen = {}
for i, key in ipairs(KEYS) do
    local mine = '?' .. ARGV[i + 1]
    local held = redis.pcall('GET', key)
    local mark = type(held) == 'string' and string.sub(held, 1, 1)  -- false: nothing, or a type that is not ours
    if mark == '=' then
        seen[i] = { string.sub(held, 2), redis.call('PTTL', key) }
    elseif mark == '?' and held ~= mine and (turn_ms == 0 or redis.call('PTTL', key) <= turn_ms) then
        seen[i] = 0
    else
        if turn_ms > 0 then
            redis.call('SET', key, mine, 'PX', turn_ms)
        end
        seen[i] = 1
    end
end
return cjson.encode(seen)
