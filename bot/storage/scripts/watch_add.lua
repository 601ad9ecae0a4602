-- Keeps a watch, unless its room or its workspace has its share.
-- ARGV: operation, room, space, id, watch, incident, history ('': none), subject, due, most in a room, most in a space,
-- then what the watch wishes for: name and number of questions, for each kind of list.
-- Returns 'added', 'had', 'room' or 'space' (the one that is full). Sent again it says the same and changes nothing.
local operation, room, space, id, watch, incident, history, subject, due = unpack(ARGV, 1, 9)
local watches = 'mc1:watches:' .. room
if renew('HEXISTS', watches, id) == 1 then
    local held = try('HGET', 'mc1:incidents:' .. room, id)
    local ours = held and string.sub(held, 1, #operation + 1) == operation .. ' '
    return answer(ours and 'added' or 'had')
end
if redis.call('HLEN', watches) >= tonumber(ARGV[10]) then
    return answer('room')
end
local kept = 0
for _, number in ipairs(try('HVALS', 'mc1:rooms:' .. space) or {}) do
    kept = kept + (tonumber(number) or 0)
end
if kept >= tonumber(ARGV[11]) then
    return answer('space')
end
redis.call('HSET', watches, id, watch)
renew('HSET', 'mc1:incidents:' .. room, id, operation .. ' ' .. incident)
if history ~= '' then
    renew('HSET', 'mc1:history:' .. room, id, history)
end
count('mc1:rooms:' .. space, room, 1)
try('SADD', 'mc1:subject:' .. subject, id .. ' ' .. room)  -- one of another type is built anew from all watches
try('ZADD', 'mc1:looks', 'LT', due, subject)
for i = 12, #ARGV, 2 do
    count('mc1:wishes', ARGV[i], ARGV[i + 1])
end
return answer('added')
