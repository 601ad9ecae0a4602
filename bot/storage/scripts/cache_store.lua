-- Ends many claims at once: stores what was answered, or gives a claim up without an answer.
-- KEYS[i]: a question. ARGV, three for each: the claimant, the TTL of the answer in ms (0: not stored), the answer.
-- Running it again changes nothing: an answer is stored as it is, and a claim is given up by its claimant only.
for i, key in ipairs(KEYS) do
    local claimant, ttl_ms, answer = ARGV[3 * i - 2], tonumber(ARGV[3 * i - 1]), ARGV[3 * i]
    if ttl_ms > 0 then
        redis.call('SET', key, '=' .. answer, 'PX', ttl_ms)
    elseif redis.pcall('GET', key) == '?' .. claimant then
        redis.call('DEL', key)
    end
end
