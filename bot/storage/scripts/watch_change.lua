-- Replaces the text of a watch, where the channel has it; its subject and demand stay as they are.
-- ARGV: channel, id, watch. Returns whether the channel has it. Sent again it returns the same.
local channel, id, watch = unpack(ARGV, 1, 3)
local has = try('HEXISTS', 'mc1:watches:' .. channel, id) == 1
if has then
    redis.call('HSET', 'mc1:watches:' .. channel, id, watch)
end
return answer(has)
