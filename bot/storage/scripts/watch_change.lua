-- Replaces the text of a watch, where the room has it; its subject and what it wishes for stay as they are.
-- ARGV: room, id, watch. Returns whether the room has it. Sent again it says the same.
local room, id, watch = unpack(ARGV, 1, 3)
local has = try('HEXISTS', 'mc1:watches:' .. room, id) == 1
if has then
    redis.call('HSET', 'mc1:watches:' .. room, id, watch)
end
return answer(has)
