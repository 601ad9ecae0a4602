-- Reads many answers at once, and claims the queries that have neither an answer nor a claim.
-- KEYS[i]: a question. ARGV[1]: how long a claim holds, in ms; 0 only reads. ARGV[i + 1]: the claimant of question i.
-- A claim with more time left than a claim has was made before the clock of the store was set back: it is over.
-- A key holds '=' and the answer, or '?' and the claimant; both expire.
-- Returns one JSON list, because a client reads one string far faster than hundreds:
-- ["answer", ms left] where there is one, 1 where the caller has the claim, 0 where another has it.
local claim_ms = tonumber(ARGV[1])
local seen = {}
for i, key in ipairs(KEYS) do
    local mine = '?' .. ARGV[i + 1]
    local held = redis.pcall('GET', key)
    local mark = type(held) == 'string' and string.sub(held, 1, 1)  -- false: nothing, or a type that is not ours
    if mark == '=' then
        seen[i] = { string.sub(held, 2), redis.call('PTTL', key) }
    elseif mark == '?' and held ~= mine and (claim_ms == 0 or redis.call('PTTL', key) <= claim_ms) then
        seen[i] = 0
    else
        if claim_ms > 0 then
            redis.call('SET', key, mine, 'PX', claim_ms)
        end
        seen[i] = 1
    end
end
return cjson.encode(seen)
