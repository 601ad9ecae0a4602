-- Keeps a watch, unless its room or its workspace has its share.
-- ARGV: operation, room, space, id, watch, incident, history ('': none), subject, due, most in a room, most in a space,
-- then what the watch wishes for: name and number of questions, for each kind of list.
-- Returns 'added', 'had', 'room' or 'space' (the one that is full). Sent again it says the same and changes nothing.
local operation, room, space, id, watch, incident, history, subject, due = unpack(ARGV, 1, 9)
local watches = 'mc1:watches:' .. room
if redis.call('HEXISTS', watches, id) == 1 then
    local held = redis.call('HGET', 'mc1:incidents:' .. room, id)
    local ours = held and string.sub(held, 1, #operation + 1) == operation .. ' '
    return cjson.encode(ours and 'added' or 'had')
end
if redis.call('HLEN', watches) >= tonumber(ARGV[10]) then
    return cjson.encode('room')
end
local kept = 0
for _, number in ipairs(redis.call('HVALS', 'mc1:rooms:' .. space)) do
    kept = kept + number
end
if kept >= tonumber(ARGV[11]) then
    return cjson.encode('space')
end
redis.call('HSET', watches, id, watch)
redis.call('HSET', 'mc1:incidents:' .. room, id, operation .. ' ' .. incident)
if history ~= '' then
    redis.call('HSET', 'mc1:history:' .. room, id, history)
end
redis.call('HINCRBY', 'mc1:rooms:' .. space, room, 1)
redis.call('SADD', 'mc1:subject:' .. subject, id .. ' ' .. room)
redis.call('ZADD', 'mc1:looks', 'LT', due, subject)
for i = 12, #ARGV, 2 do
    redis.call('HINCRBY', 'mc1:wishes', ARGV[i], ARGV[i + 1])
end
return cjson.encode('added')
