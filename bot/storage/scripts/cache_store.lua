-- Ends many turns at once: stores what was answered, or gives a turn back without an answer.
-- KEYS[i]: a question. ARGV, three for each: who asked, how long the answer keeps in ms (0: not at all), the answer.
-- Running it again changes nothing: an answer is stored as it is, and a turn is given back by the one who has it.
for i, key in ipairs(KEYS) do
    local asker, keeps_ms, answer = ARGV[3 * i - 2], tonumber(ARGV[3 * i - 1]), ARGV[3 * i]
    if keeps_ms > 0 then
        redis.call('SET', key, '=' .. answer, 'PX', keeps_ms)
    elseif redis.pcall('GET', key) == '?' .. asker then
        redis.call('DEL', key)
    end
end
